"""Which labels look wrong.

Features of pictures, predictions of models that never saw a row, and confident learning.
"""
