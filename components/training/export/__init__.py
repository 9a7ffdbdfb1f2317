"""Export: a trained network in, the files of the model artifact out, proven to agree."""
