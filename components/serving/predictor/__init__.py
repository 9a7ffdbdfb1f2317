"""The predictor: a served file in, a label with probabilities for each image out."""
