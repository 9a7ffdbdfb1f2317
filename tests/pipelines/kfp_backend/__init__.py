"""What the backend of Kubeflow Pipelines 2.17.0 makes of a compiled pipeline, re-told in Python.

In goes a compiled pipeline, a run's parameters and a function that executes a command line. Out
comes what every container was started with and what the run came to. Each module names the
functions of the backend whose rules it keeps; what they don't support is an error here, never a
guess.

`compiled` reads the YAML, `conditions` evaluates a trigger, `driver` resolves a task's inputs,
`launcher` makes the command line and collects outputs, `runs` walks the pipeline and keeps the
cache, `retries` tells which lost attempt is made again, `recurring` fires schedules and checks what
the API server checks.
"""
