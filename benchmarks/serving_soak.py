"""The predictor for eleven minutes.

60 s at 32 clients, then 10 minutes at 8, without an error and without growing.

    make bench NAME=serving_soak

One JPEG again and again to the real server with the architecture of fer2013-fast. The peer of the
memory bar is the server itself after ten seconds of the same load. About 13 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import load_client
import serving

NAME = "fer2013-fast"
GROWTH = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, nargs=2, default=(60.0, 600.0), metavar=("AT_32", "AT_8")
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        serving.inside("training", "export", scratch, NAME)
        request = load_client.post(
            f"/v1/models/{NAME}:predict", (Path(scratch) / f"{NAME}.jpg").read_bytes(), "image/jpeg"
        )
        with serving.predictor(Path(scratch) / NAME, NAME) as (port, process):
            serving.load(port, request, 32, 10.0)
            before = resident_bytes(process)
            print(f"{'after 10 s to warm up':25} {before / 1e6:8.1f} MB", flush=True)
            errors = 0.0
            for clients, seconds in zip((32, 8), arguments.seconds, strict=True):
                seen = serving.load(port, request, clients, seconds)
                errors += seen["errors"]
                after = resident_bytes(process)
                line = (
                    f"{seen['requests']:8} requests {seen['per_second']:7.1f}/s   p50"
                    f" {seen['p50']:6.1f}   p99 {seen['p99']:6.1f} ms"
                )
                print(
                    f"{f'{seconds:g} s at {clients} clients':25} {after / 1e6:8.1f} MB {line}"
                    f" {seen['errors']:4} errors",
                    flush=True,
                )
    figures = [
        {"what": "errors", "ours": errors, "peer": 0, "ratio": None, "bar": 0, "met": errors == 0},
        serving.figure(
            "resident memory, MB, growth",
            after / 1e6,
            before / 1e6,
            1 + GROWTH,
            after < (1 + GROWTH) * before,
        ),
    ]
    print(json.dumps({"name": "serving_soak", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def resident_bytes(process: int) -> int:
    """VmRSS of proc(5)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    sys.exit(main())
