"""The model that serves, loaded the one way: evaluation and serving both call it, so they can't differ."""
