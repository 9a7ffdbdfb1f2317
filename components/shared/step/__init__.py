"""The frame of a step's process: arguments and preset in; evidence, executor output, progress lines and an exit code out."""
