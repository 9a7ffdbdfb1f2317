"""What a training reads.

The examples artifact and a sampling plan in, batches of images and targets out.
"""
