"""A sweep: one preset and ranges in, many trainings judged on held-out rows out."""
