"""Scores.

The rows of an examples artifact and models in, predictions and every figure of them out.
"""
