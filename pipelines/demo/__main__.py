"""Draw a night of synthetic faces.

Night 0 draws --count faces. Night 1 is night 0 with some new faces (6 %), some changed (1 %) and
some gone (3 %), and so on; drawn into the same folder, only what differs is written or removed. The
same arguments always give the same bytes. A killed draw is completed by the same command.

    python -m pipelines.demo --output data/faces --night 0
    python -m pipelines.demo --output data/faces --night 1
    python -m pipelines.demo --output data/large --night 0 --size 224 --channels 3 --zip
    python -m pipelines.demo --output data/hard --night 0 --imbalance happy=6,disgust=0.3 --label-noise 0.1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.shared.errors import EmotionError, EnvironmentProblem
from components.shared.step.frame import one_line
from pipelines.demo.folder import synchronise
from pipelines.demo.layouts import LAYOUTS, plan
from pipelines.demo.nights import IMBALANCES, Options, imbalance, night


def main(argv: Sequence[str] | None = None) -> int:
    """Draw a night; returns the exit code: 0 done, otherwise that of `components.shared.errors`."""
    arguments = _parser().parse_args(argv)
    try:
        _draw(arguments)
    except (EmotionError, OSError) as error:
        print(f"drawing failed: {one_line(error)}", file=sys.stderr, flush=True)
        return error.exit_code if isinstance(error, EmotionError) else EnvironmentProblem.exit_code
    except KeyboardInterrupt:
        print("drawing stopped; the same command completes it", file=sys.stderr, flush=True)
        return 130
    return 0


def _draw(arguments: argparse.Namespace) -> None:
    options = Options(
        seed=arguments.seed,
        count=arguments.count,
        size=arguments.size,
        channels=arguments.channels,
        weights=imbalance(arguments.imbalance),
        label_noise=arguments.label_noise,
        corrupt=arguments.corrupt,
        duplicates=arguments.duplicates,
    )
    faces = night(options, arguments.night)
    change = synchronise(
        arguments.output, arguments.night, plan(options, faces, arguments.layout, arguments.zip)
    )
    print(
        f"night {arguments.night}: {len(faces):,} faces in {arguments.output} ({change.new:,} files"
        f" new, {change.changed:,} changed, {change.gone:,} gone, {change.kept:,} kept)"
    )


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.demo", description=__doc__, formatter_class=raw
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder to draw into: empty, or drawn by this command before",
    )
    parser.add_argument("--night", type=int, required=True, help="number of the night, from 0")
    parser.add_argument("--count", type=int, default=3600, help="faces of night 0 (%(default)s)")
    parser.add_argument(
        "--size", type=int, default=48, help="pixels a side, 8 to 1024 (%(default)s)"
    )
    parser.add_argument("--channels", type=int, default=1, help="1 gray, 3 colour (%(default)s)")
    parser.add_argument(
        "--layout", default="class-folders", help=f"{', '.join(LAYOUTS)} (%(default)s)"
    )
    parser.add_argument(
        "--zip", action="store_true", help="one zip file instead of a folder tree or a bare table"
    )
    parser.add_argument(
        "--seed", type=int, default=7, help="of everything that is drawn by chance (%(default)s)"
    )
    names = ", ".join(IMBALANCES)
    parser.add_argument(
        "--imbalance",
        default="mild",
        help=f"{names}, or weights such as happy=3,disgust=0.5, others 1 (%(default)s)",
    )
    parser.add_argument(
        "--label-noise",
        type=float,
        default=0.02,
        help="share of files under a wrong label (%(default)s)",
    )
    parser.add_argument(
        "--corrupt",
        type=float,
        default=0.004,
        help="share of truncated, empty or text files (%(default)s)",
    )
    parser.add_argument(
        "--duplicates",
        type=float,
        default=0.02,
        help="share of files that copy an earlier face (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
