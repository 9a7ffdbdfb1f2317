"""Training: an examples artifact and a sampling plan in.

A calibrated, exported model with golden images out.

train   images decoded once -> stages of epochs, checkpointed -> temperature -> model.tflite, saved_model/, model.keras
"""
