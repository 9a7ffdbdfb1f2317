"""What a training reads: the examples artifact and a sampling plan in, batches of images and targets out."""
