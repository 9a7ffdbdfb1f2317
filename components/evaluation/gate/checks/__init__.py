"""The gate's families of checks, one file each.

What is known in, checks with value, bound and reason out.
"""
