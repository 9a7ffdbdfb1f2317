# An alert, not a limit: it goes to the billing account's administrators.
data "google_project" "this" {
  project_id = var.project
}

resource "google_billing_budget" "emotion" {
  billing_account = var.billing_account
  display_name    = "emotion"
  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }
  amount {
    specified_amount {
      units = tostring(floor(var.monthly_budget))
    }
  }
  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
    }
  }
  # While there is still time to do something about it.
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }
  depends_on = [google_project_service.used]
}
