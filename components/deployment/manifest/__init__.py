"""The manifest: a version and a serving policy in, KServe's InferenceService out."""
