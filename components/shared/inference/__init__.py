"""The model that serves, loaded the one way.

Evaluation and serving both call it, so they can't differ.
"""
