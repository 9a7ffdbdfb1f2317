# The store. Versioning, so that an overwritten pointer or a mistaken deletion can be undone.
resource "google_storage_bucket" "store" {
  name                        = "${var.project}-emotion"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
  # What outlives no run.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.keep_days
      matches_prefix = ["checkpoints/", "served/", "kubeflow/"]
    }
  }
  # Old versions of objects.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "emotion"
  location      = var.region
  format        = "DOCKER"
  docker_config {
    immutable_tags = true # a tag is a digest of the content
  }
  cleanup_policies {
    id     = "old"
    action = "DELETE"
    condition {
      older_than = "7776000s" # 90 days
    }
  }
  cleanup_policies {
    id     = "recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  depends_on = [google_project_service.used]
}
