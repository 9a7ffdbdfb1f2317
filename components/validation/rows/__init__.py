"""Rules about rows: tables without pixels in, judged expectations and Data Docs out (Great Expectations)."""
