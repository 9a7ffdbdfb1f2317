"""The steps of the nightly retraining, one package each, and the four packages that they share."""
