"""The orchestrator.

The pipeline, its presets, and the `emotion` command that compiles and runs them.
"""
