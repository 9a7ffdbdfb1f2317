output "store" {
  description = "Address of the store, for `--store`."
  value       = "gs://${google_storage_bucket.store.name}"
}

output "registry" {
  description = "For `make push REGISTRY=…`."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "credentials" {
  description = "The command that lets kubectl reach the cluster."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.emotion.name} --region ${var.region} --project ${var.project}"
}

output "identities" {
  description = "Google accounts of the Kubernetes accounts, as infra/kustomize/overlays/gke names them."
  value       = { for name, account in google_service_account.workload : name => account.email }
}
