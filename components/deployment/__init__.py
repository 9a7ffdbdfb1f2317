"""Make a blessed challenger the champion and render what serves it; keep the registry.

In: a model artifact, the gate's verdict. Out: the version in the registry; for a blessed one
champion, `previous` and `anchor`, and the InferenceService manifest of that version.

`registry`, `approval` and `lineage` need the standard library and the store alone: the
command `emotion models` works with them in its own process.
"""
