"""Fixtures that every environment can load: standard library only."""
