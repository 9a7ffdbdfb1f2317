"""The bucket server, which other folders' tests use too."""

from tests.bucket_server import PAGE, Buckets, serving

__all__ = ["PAGE", "Buckets", "serving"]
