"""The store: one root that outlives runs, on a disk, on a volume that pods mount, or in a bucket.

`open.open_store` gives a `interface.Store`; `keys` says what stands where in it.
"""
