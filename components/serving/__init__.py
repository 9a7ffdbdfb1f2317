"""Serving: the KServe predictor, and the check that it answers as evaluated.

check-serving: the challenger's artifact and the night plan in; the predictor started as a separate
process, golden images compared, latency, memory and start-up measured out.

Two more commands take a model artifact and stand outside the pipeline; each has its own --help:
serve starts the predictor; predict answers image files without a server.
"""
