"""Rules about rows.

Tables without pixels in, judged expectations and Data Docs out (Great Expectations).
"""
