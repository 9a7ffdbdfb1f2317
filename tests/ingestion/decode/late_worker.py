"""A worker process that comes late, unless it is the one that is expected at once.

python -m tests.ingestion.decode.late_worker PARENT_PID
"""

from __future__ import annotations

import os
import sys
import time

AT_ONCE = "EMOTION_TEST_WORKER_AT_ONCE"  # its id

if __name__ == "__main__":
    if os.environ["WORKER_ID"] != os.environ[AT_ONCE]:
        time.sleep(8)
    os.execv(
        sys.executable,
        [sys.executable, "-m", "components.ingestion.decode.beam_worker", *sys.argv[1:]],
    )
