"""Distributions: columns in.

Statistics, anomalies, drift and skew out (TensorFlow Data Validation).
"""
