"""The registry.

Immutable versions, pointers to them, and every decision with who took it and why.
"""
