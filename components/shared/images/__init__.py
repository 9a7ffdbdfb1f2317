"""The project's only image decoder: bytes in, uint8 pixels out, under limits.

Training, evaluation and serving all decode here, so what is trained on is what is served.
"""
