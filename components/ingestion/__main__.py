"""The commands of ingestion: resolve and ingest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.contracts.findings import IngestFindings, ResolveFindings
from components.runtime.step import Context, Step, main


def _resolve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, help="folder, .zip, .csv, or gs:// prefix or object")
    parser.add_argument("--code-version", default="", help="digest of the code and locks that the steps run with")
    parser.add_argument("--force", type=_boolean, default=False, metavar="True|False", help="work even if nothing is new")
    parser.add_argument("--work-output", default="", help="file for the word: new or nothing-new")
    parser.add_argument("--plan-output", default="", help="file for the digest of the night's plan")
    parser.add_argument("--run-output", default="", help="file for the name of the run")


def _resolve(context: Context, arguments: argparse.Namespace) -> ResolveFindings:
    from components.ingestion.resolve import resolve, write_outputs

    findings = resolve(context, arguments.source, arguments.code_version, force=arguments.force)
    write_outputs(findings, context.run_id, work=arguments.work_output, plan=arguments.plan_output, run=arguments.run_output)
    print(f"{findings.plan.work}: {findings.plan.reason}", flush=True)
    return findings


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, help="digest of the night's plan")
    parser.add_argument("--examples", required=True, type=Path, help="folder for the examples artifact")


def _ingest(context: Context, arguments: argparse.Namespace) -> IngestFindings:
    from components.ingestion.ingest import ingest

    return ingest(context, arguments.plan, arguments.examples)


def _boolean(text: str) -> bool:
    words = {"true": True, "false": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return words[text.lower()]


STEPS = {
    "resolve": Step("Find out whether the source, the preset or the code is new, and plan the night.", _resolve_arguments, _resolve),
    "ingest": Step("Read and check every image of the source and write the examples artifact.", _ingest_arguments, _ingest),
}

if __name__ == "__main__":
    sys.exit(main("ingestion", STEPS))
