"""Who else gets a copy of an answer, off its way: another predictor, the log of features."""
