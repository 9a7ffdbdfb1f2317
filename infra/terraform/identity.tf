# One account per identity of infra/kustomize, with the least that its work needs.
locals {
  # Kubernetes account to its namespace; each becomes the Google account of the same name.
  identities = {
    emotion-run       = "kubeflow"
    emotion-predictor = "emotion"
  }
}

resource "google_service_account" "workload" {
  for_each     = local.identities
  account_id   = each.key
  display_name = "Emotion: ${each.key}"
}

resource "google_service_account_iam_member" "workload" {
  for_each           = local.identities
  service_account_id = google_service_account.workload[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${each.value}/${each.key}]"
  depends_on         = [google_container_cluster.emotion]
}

# A run reads and writes the store; it replaces pointers and deletes its own scratch.
resource "google_storage_bucket_iam_member" "run" {
  bucket = google_storage_bucket.store.name
  role   = "roles/storage.objectUser"
  member = google_service_account.workload["emotion-run"].member
}

# What serves reads models, and nothing else of the store.
resource "google_storage_bucket_iam_member" "predictor" {
  bucket = google_storage_bucket.store.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.workload["emotion-predictor"].member
  condition {
    title      = "models"
    expression = "resource.type != 'storage.googleapis.com/Object' || resource.name.startsWith('projects/_/buckets/${google_storage_bucket.store.name}/objects/models/')"
  }
}

# Features of its requests, where a preset keeps them: it adds, and reads none back.
resource "google_storage_bucket_iam_member" "predictor_served" {
  bucket = google_storage_bucket.store.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.workload["emotion-predictor"].member
  condition {
    title      = "served"
    expression = "resource.name.startsWith('projects/_/buckets/${google_storage_bucket.store.name}/objects/served/')"
  }
}

resource "google_service_account" "nodes" {
  account_id   = "emotion-nodes"
  display_name = "Emotion: nodes"
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}
