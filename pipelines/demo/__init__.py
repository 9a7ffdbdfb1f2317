"""Synthetic faces.

Seven expressions drawn by facial action, in files that go in through the front door.

In: a seed, a night's number and options. Out: a folder in one of the layouts that ingestion reads,
with the flaws of real data in known amounts (imbalance, wrong labels, broken files, duplicates). No
real person is shown, nothing is downloaded.
"""
