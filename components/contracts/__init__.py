"""What the steps agree on: presets, labels, artifacts, the store's layout, findings and verdicts.

Standard library only, no I/O beyond the file a function is given. Every other package may import
this one; it imports none of them.
"""
