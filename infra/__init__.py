"""Environments, images, manifests and clusters: what the code runs in."""
