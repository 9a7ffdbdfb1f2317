"""Distributions: columns in; statistics, anomalies, drift and skew out (TensorFlow Data Validation)."""
