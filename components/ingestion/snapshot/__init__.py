"""The snapshot.

Decoded rows in, one immutable examples artifact with duplicate groups and splits out.
"""
