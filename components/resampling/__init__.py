"""Resample: examples in.

A sampling plan out, which says how often each training row is seen and how much it counts.

Reads ids, labels and splits, never pixels, and copies none. Validation and test rows are never in
the plan.
"""
