"""What components share, and nothing else.

Contracts, the store, the frame of a step, images, inference.

It imports no component. What a module needs beyond the standard library is in the lock of every
component that imports it.
"""
