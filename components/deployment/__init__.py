"""Make a blessed challenger the champion and render what serves it.

In: a model artifact, the gate's verdict. Out: the version in the registry, the pointers `champion`,
`previous` and `anchor`, and the InferenceService manifest of that version.
"""
