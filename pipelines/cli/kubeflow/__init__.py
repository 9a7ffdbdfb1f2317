"""The commands that speak to Kubeflow Pipelines."""
