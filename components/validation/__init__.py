"""Validate: examples in.

Go or stop out, with statistics, schema, anomalies and the rules that were judged.

Great Expectations judges rows, TensorFlow Data Validation judges distributions. Neither sees a
pixel.
"""
