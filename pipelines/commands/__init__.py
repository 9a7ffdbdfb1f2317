"""The commands of `emotion`, one file per topic; `pipelines/cli.py` lists them."""
