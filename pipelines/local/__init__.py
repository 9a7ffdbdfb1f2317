"""A run on this machine.

The compiled pipeline in, steps as processes or containers, the report out.
"""
