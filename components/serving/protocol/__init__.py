"""The prediction protocols.

Bodies of requests in, images and answers out (V1, and the Open Inference Protocol V2).
"""
