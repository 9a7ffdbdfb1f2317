"""Ingestion: what is new in the source tonight, and its images as checked examples.

resolve   a source (folder, zip, CSV, gs://), the preset and the last judged night in; the night plan out
ingest    the plan in; an examples artifact, also copied into the store, out
"""
