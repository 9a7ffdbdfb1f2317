"""`emotion models`: the registry's commands, which need the store alone."""
