"""Decoding.

Objects of a source in, measured and re-encoded images out, in worker processes (Apache Beam).
"""
