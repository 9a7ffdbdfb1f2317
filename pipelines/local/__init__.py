"""A run on this machine: the compiled pipeline in, steps as processes or containers, the report out."""
