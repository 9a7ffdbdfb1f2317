"""The commands of ingestion: the steps resolve and ingest, and a person's forget and relabel."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import EmotionError
from components.shared.findings import IngestFindings, ResolveFindings
from components.shared.preset import IngestionPolicy
from components.shared.step.frame import Context, Step, main
from components.shared.step.preset_argument import store_preset
from components.shared.store.interface import open_store


def _resolve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        required=True,
        help=(
            "folder, archive, table, or gs://, s3:// or kaggle:// of these; a JSON list of several;"
            " empty where the preset names them"
        ),
    )
    parser.add_argument(
        "--compiled-for",
        default="",
        choices=("", "cpu", "gpu"),
        help="device whose task sizes the pipeline version has; empty at a desk",
    )
    parser.add_argument(
        "--code-version", default="", help="digest of the code and locks that the steps run with"
    )
    parser.add_argument(
        "--force",
        type=_boolean,
        default=False,
        metavar="True|False",
        help="work even if nothing is new",
    )
    parser.add_argument("--work-output", default="", help="file for the word: new or nothing-new")
    parser.add_argument("--plan-output", default="", help="file for the digest of the night's plan")
    parser.add_argument("--run-output", default="", help="file for the name of the run")
    parser.add_argument("--preset-output", default="", help="file for the digest of the preset")


def _resolve(context: Context, arguments: argparse.Namespace) -> ResolveFindings:
    from components.ingestion.resolve.resolve import check_compiled_for, resolve

    preset_digest = store_preset(
        context.store, context.run_id, context.preset
    )  # first: a report of what then fails reads it
    check_compiled_for(context.preset, arguments.compiled_for)
    findings = resolve(context, arguments.source, arguments.code_version, force=arguments.force)
    outputs = {
        arguments.work_output: findings.plan.work,
        arguments.plan_output: findings.plan_digest,
        arguments.run_output: context.run_id,
        arguments.preset_output: preset_digest,
    }
    for path, text in outputs.items():
        if path:
            write_atomically(Path(path), text.encode())
    print(f"{findings.plan.work}: {findings.plan.reason}", flush=True)
    return findings


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, help="digest of the night's plan")
    parser.add_argument(
        "--examples", required=True, type=Path, help="folder for the examples artifact"
    )
    parser.add_argument(
        "beam",
        nargs="*",
        metavar="-- BEAM_OPTION",
        help=(
            "options of Beam's runner in the place of the preset's: -- --runner=DataflowRunner"
            " --project=P --region=R --temp_location=gs://bucket/folder"
            " --sdk_container_image=IMAGE; none: this machine, a worker process per core"
        ),
    )


def _ingest(context: Context, arguments: argparse.Namespace) -> IngestFindings:
    from components.ingestion.ingest import ingest

    found = ingest(
        context,
        arguments.plan,
        arguments.examples,
        IngestionPolicy(tuple(arguments.beam)) if arguments.beam else None,
    )
    images = {
        "images read": found.read,
        "images accepted": found.accepted,
        "images rejected": found.rejected,
    }
    rows = {f"{split} rows": sum(counts.values()) for split, counts in found.counts.items()}
    context.executor_output.metadata(
        "examples", **{"snapshot id": found.snapshot_id}, **images, **rows
    )
    return found


def _boolean(text: str) -> bool:
    words = {"true": True, "false": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return words[text.lower()]


STEPS = {
    "resolve": Step(
        "Find out whether the source, the preset or the code is new, and plan the night.",
        _resolve_arguments,
        _resolve,
    ),
    "ingest": Step(
        "Read and check every image of the source and write the examples artifact.",
        _ingest_arguments,
        _ingest,
    ),
}


def decide(argv: list[str]) -> int:
    """`forget NAME` and `relabel FILE`: no steps, so no run and no preset."""
    from components.ingestion.curation.commands import forget, relabel

    parser = argparse.ArgumentParser(prog="python -m components.ingestion")
    parser.add_argument("what", choices=DECISIONS)
    parser.add_argument(
        "name", help="forget: example id, content id or path in the source; relabel: CSV file"
    )
    parser.add_argument("--store", required=True, help="folder or URI of the store")
    parser.add_argument("--by", required=True, help="who decides")
    arguments = parser.parse_args(argv)
    try:
        store = open_store(arguments.store)
        with tempfile.TemporaryDirectory(prefix="emotion-decide-") as scratch:
            if arguments.what == "relabel":
                count = relabel(store, Path(arguments.name), arguments.by, Path(scratch))
                print(f"{count:,} new labels; the next night reads them")
                return 0
            found = forget(store, arguments.name, arguments.by, Path(scratch))
    except EmotionError as error:
        print(f"{arguments.what} failed: {error}", file=sys.stderr)
        return error.exit_code
    print(
        f"forgotten: {len(found.contents):,} picture(s), shown as {', '.join(found.rows)}; no later"
        " snapshot holds them"
    )
    print("trained on them: " + (", ".join(found.versions) or "no model version in this store"))
    return 0


DECISIONS = ("forget", "relabel")

if __name__ == "__main__":
    sys.exit(
        decide(sys.argv[1:])
        if sys.argv[1:2] and sys.argv[1] in DECISIONS
        else main("ingestion", STEPS)
    )
