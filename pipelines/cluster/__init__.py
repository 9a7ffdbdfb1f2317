"""Kubeflow Pipelines through kfp's client: publish, submit, schedule, follow and stop runs."""
