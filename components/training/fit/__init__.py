"""Fit a network: decoded rows and a training policy in, weights, history and a temperature out."""
