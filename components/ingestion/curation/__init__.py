"""Curation: what a person decided about single pictures, kept beside the snapshots of a source."""
