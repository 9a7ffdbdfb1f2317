"""Storage: what gives bytes at an address.

A folder, an archive or a bucket in, listed objects and their bytes out.
"""
