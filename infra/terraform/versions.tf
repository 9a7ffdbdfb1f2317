# What the nights need on Google Cloud: a cluster with a GPU pool, a bucket, a registry, identities, a budget alert.
#
#   terraform init -backend-config=bucket=STATE_BUCKET && terraform apply -var project=PROJECT -var billing_account=ACCOUNT
#
# Then install Kubeflow Pipelines and KServe, and apply infra/kustomize/overlays/gke with the project's id in it.
terraform {
  required_version = ">= 1.9"
  backend "gcs" {
    prefix = "emotion"
  }
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.30"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # Budgets are billed to the project that asks.
  billing_project       = var.project
  user_project_override = true
}
