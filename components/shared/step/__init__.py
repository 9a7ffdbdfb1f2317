"""The frame of a step's process: arguments and preset in.

Evidence, executor output, progress lines and an exit code out.
"""
