"""Source layouts: how the files of a source tell label and split.

Named objects in, columns of rows out.
"""
