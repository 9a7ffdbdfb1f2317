"""The registry: immutable versions, pointers to them, and every decision with who took it and why."""
