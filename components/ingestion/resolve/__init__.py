"""Resolve: a source's listing in; the run plan, new or nothing new, out."""
