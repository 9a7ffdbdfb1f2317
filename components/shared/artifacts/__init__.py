"""Artifacts: what one step hands to the next as a folder of files, as a contract.

`contract` says which files and columns each has; `signing` proves who let a model in.
"""
