"""The page of a run: evidence in, one HTML file that loads nothing out."""
