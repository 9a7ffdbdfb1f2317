resource "google_project_service" "used" {
  for_each = toset([
    "artifactregistry.googleapis.com", "billingbudgets.googleapis.com", "compute.googleapis.com",
    "container.googleapis.com", "iam.googleapis.com",
  ])
  service            = each.value
  disable_on_destroy = false
}

resource "google_compute_network" "emotion" {
  name                    = "emotion"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.used]
}

resource "google_compute_subnetwork" "emotion" {
  name                     = "emotion"
  network                  = google_compute_network.emotion.id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true
  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.20.0.0/14"
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.30.0.0/20"
  }
}

# Nodes have no addresses of their own on the internet; this is how they fetch from it.
resource "google_compute_router" "emotion" {
  name    = "emotion"
  network = google_compute_network.emotion.id
  region  = var.region
}

resource "google_compute_router_nat" "emotion" {
  name                               = "emotion"
  router                             = google_compute_router.emotion.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_container_cluster" "emotion" {
  name                     = "emotion"
  location                 = var.region
  network                  = google_compute_network.emotion.id
  subnetwork               = google_compute_subnetwork.emotion.id
  remove_default_node_pool = true
  initial_node_count       = 1
  deletion_protection      = true
  datapath_provider        = "ADVANCED_DATAPATH" # enforces network policies

  release_channel {
    channel = "REGULAR"
  }
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
    master_ipv4_cidr_block  = "172.16.0.0/28"
  }
  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.administrators
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = true
    }
  }
}

# Kubeflow Pipelines, KServe, the predictors, and the steps that need no GPU.
resource "google_container_node_pool" "main" {
  name     = "main"
  cluster  = google_container_cluster.emotion.id
  location = var.region
  autoscaling {
    total_min_node_count = 2
    total_max_node_count = 6
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  node_config {
    machine_type    = "e2-standard-4"
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot = true
    }
  }
}

# Training. Spot nodes that exist only while something trains; label and taint are those of pipelines/resources.py.
resource "google_container_node_pool" "gpu" {
  name               = "gpu"
  cluster            = google_container_cluster.emotion.id
  location           = var.region
  node_locations     = var.gpu_zones
  initial_node_count = 0
  autoscaling {
    min_node_count  = 0
    max_node_count  = var.max_gpu_nodes
    location_policy = "ANY" # wherever there is a spot node
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  node_config {
    machine_type    = var.gpu_machine_type
    spot            = true
    disk_size_gb    = 100
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels = {
      "emotion/pool" = "gpu"
    }
    taint {
      key    = "nvidia.com/gpu"
      value  = "present"
      effect = "NO_SCHEDULE"
    }
    taint {
      key    = "cloud.google.com/gke-spot"
      value  = "true"
      effect = "NO_SCHEDULE"
    }
    guest_accelerator {
      type  = var.accelerator
      count = 1
      gpu_driver_installation_config {
        gpu_driver_version = "LATEST"
      }
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot = true
    }
  }
}
