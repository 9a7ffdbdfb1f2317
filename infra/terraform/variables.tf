variable "project" {
  description = "Id of the project that everything lives in."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "billing_account" {
  description = "Id of the billing account that the budget watches, as 0X0X0X-0X0X0X-0X0X0X."
  type        = string
  validation {
    condition     = can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.billing_account))
    error_message = "A billing account id is three groups of six hexadecimal digits in capitals."
  }
}

variable "region" {
  description = "Region of the cluster, the bucket and the registry."
  type        = string
  default     = "europe-west4"
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region looks like europe-west4."
  }
}

variable "gpu_zones" {
  description = "Zones of the region that have the accelerator."
  type        = list(string)
  default     = ["europe-west4-a", "europe-west4-b"]
  validation {
    condition     = length(var.gpu_zones) > 0 && alltrue([for zone in var.gpu_zones : startswith(zone, "${var.region}-")])
    error_message = "At least one zone, and each of them in the region."
  }
}

variable "accelerator" {
  description = "GPU of the training pool. The machine type must be one that takes it."
  type        = string
  default     = "nvidia-l4"
  validation {
    condition     = contains(["nvidia-l4", "nvidia-tesla-t4", "nvidia-tesla-a100"], var.accelerator)
    error_message = "One of nvidia-l4, nvidia-tesla-t4, nvidia-tesla-a100."
  }
}

variable "gpu_machine_type" {
  description = "Machine type of the training pool."
  type        = string
  default     = "g2-standard-12"
  validation {
    condition     = can(regex("^(g2-standard|n1-(standard|highmem)|a2-highgpu)-[0-9]+g?$", var.gpu_machine_type))
    error_message = "A machine type that takes GPUs, as g2-standard-12."
  }
}

variable "max_gpu_nodes" {
  description = "How many training nodes there may be at once in each zone; there are none while nothing trains."
  type        = number
  default     = 1
  validation {
    condition     = var.max_gpu_nodes >= 1 && var.max_gpu_nodes <= 8
    error_message = "1 to 8."
  }
}

variable "administrators" {
  description = "Address ranges that may reach the cluster's control plane."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for range in values(var.administrators) : can(cidrhost(range, 0)) && !endswith(range, "/0")])
    error_message = "Names to address ranges, as {office = \"203.0.113.0/24\"}; not the whole internet."
  }
}

variable "keep_days" {
  description = "Days until checkpoints and what runs left are deleted; models and snapshots stay."
  type        = number
  default     = 90
  validation {
    condition     = var.keep_days >= 7
    error_message = "At least a week, so that a failed night can be resumed."
  }
}

variable "monthly_budget" {
  description = "Money a month, in the billing account's currency; an alert goes out at half, at nine tenths and at all of it."
  type        = number
  default     = 300
  validation {
    condition     = var.monthly_budget > 0
    error_message = "More than nothing."
  }
}
