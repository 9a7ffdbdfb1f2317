"""Container images: the engine that builds them, the base, one image per component."""
