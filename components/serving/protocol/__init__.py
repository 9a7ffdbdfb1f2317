"""The prediction protocols: bodies of requests in, images and answers out (V1, and the Open Inference Protocol V2)."""
