"""Tell people what a night came to, whatever happened.

In: the evidence files that the steps left in the store, nothing else. Out: one self-contained HTML
page, `summary.json`, a model card, a notification, and the pointer `last-night` that the next
night's resolve reads.
"""
