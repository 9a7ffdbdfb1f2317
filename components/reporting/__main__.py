"""The commands of reporting: report, a step of the pipeline, and index."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.reporting.cost import cost_of, read_prices
from components.reporting.evidence import REPORTED, Night, read_night
from components.reporting.index import row_of
from components.reporting.index_store import add_to_index, rebuild_index, write_home_page
from components.reporting.model_card import model_card
from components.reporting.notification import fingerprint, message, send
from components.reporting.outcome import Outcome, judge, pipeline_error
from components.reporting.page.page import render, render_plain
from components.reporting.summary import judged_run, summarize
from components.shared.errors import ContractError, EmotionError, EnvironmentProblem
from components.shared.preset import Preset
from components.shared.records import JudgedRun, NewerRecordError, read_record
from components.shared.serialization import json_object, to_json, to_pretty_json
from components.shared.step.executor_output import write_document
from components.shared.step.frame import Context, Step, main, one_line, peak_memory_bytes
from components.shared.step.preset_argument import preset_of_run
from components.shared.store import keys
from components.shared.store.interface import Store, open_store, update


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what report takes."""
    parser.add_argument(
        "--status",
        default="",
        help="final status of the pipeline as JSON, from Kubeflow Pipelines; empty at a desk",
    )
    parser.add_argument(
        "--webhook-file",
        type=Path,
        help="file with the URL to tell how the night ended; absent: nobody is told",
    )
    parser.add_argument("--page", type=Path, required=True, help="HTML file to write")


def report(context: Context, arguments: argparse.Namespace) -> None:
    """Write everything that people and programs read of a night.

    The small and sure things first.
    """
    began = time.monotonic()
    store, run = context.store, keys.run(context.run_id)
    night = read_night(
        context.run_id,
        {step: _read(store, keys.evidence(context.run_id, step)) for step in REPORTED},
    )
    earlier = _earlier_summary(store, run)
    # Rendered again at a desk there is no status to go by: what the pipeline said that night still
    # holds.
    problem = (
        pipeline_error(arguments.status)
        if arguments.status
        else str(earlier.get("pipeline_error") or "")
    )
    outcome = judge(night, problem)
    preset = context.given_preset or _preset(store, context.run_id)
    cost = cost_of(night.steps, *read_prices(_read(store, keys.PRICES)))
    summary = summarize(night, outcome, preset, store.location(f"{run}/report.html"), cost) | {
        "pipeline_error": problem or None
    }
    # What others added to the summary, such as the time that the whole command took, stays.
    store.write(f"{run}/summary.json", to_pretty_json(earlier | summary).encode())
    told = message(summary, outcome)
    store.write(f"{run}/notification.json", to_pretty_json(told).encode())
    page = _page(preset, night, outcome, summary).encode()
    store.write(f"{run}/report.html", page)
    write_document(arguments.page, page)
    context.executor_output.metadata(
        "page",
        outcome=outcome.word,
        headline=outcome.headline,
        **{"report in the store": summary["report"]},
    )
    if preset and night.evaluate:
        card = model_card(night, night.evaluate, outcome, preset).encode()
        store.write(keys.card(preset.model_name, night.evaluate.challenger.version), card)
    if preset:
        _remember(store, preset, night, outcome)
    _add_to_index(store, summary)
    ours = {
        "name": "report",
        "seconds": round(time.monotonic() - began, 3),
        "cached": False,
        "status": "succeeded",
    }
    summary["steps"].append({**ours, "peak_memory_bytes": peak_memory_bytes()})
    store.write(f"{run}/summary.json", to_pretty_json(earlier | summary).encode())
    _notify(store, f"{run}/notified.json", told, arguments.webhook_file)


def _notify(store: Store, key: str, told: dict[str, str], webhook_file: Path | None) -> None:
    """Post the message, unless an earlier attempt of this step did.

    What goes wrong is said, and the run goes on.
    """
    mark = to_json({"message": fingerprint(told)}).encode()
    if webhook_file is None or not webhook_file.is_file() or _read(store, key) == mark:
        return
    problem = send(told, webhook_file)
    print(
        f"nobody was told: {problem}" if problem else "told the webhook how the night ended",
        file=sys.stderr,
        flush=True,
    )
    try:
        if not problem:
            store.write(key, mark)
    except (EmotionError, OSError) as error:
        print(
            f"a second attempt of this step will tell it again: {one_line(error)}", file=sys.stderr
        )


def _preset(store: Store, run_id: str) -> Preset | None:
    """Return the preset that resolve stored.

    None where resolve never came so far, or what it stored can't be read.
    """
    try:
        return preset_of_run(store, run_id)
    except (EmotionError, OSError) as error:
        print(f"the run's preset can't be read: {one_line(error)}", file=sys.stderr)
        return None


def _page(preset: Preset | None, night: Night, outcome: Outcome, summary: dict[str, Any]) -> str:
    try:
        return render(night, outcome, summary, preset)
    except Exception as error:  # noqa: BLE001 - the page is most needed where something unforeseen happened
        print(f"the full page couldn't be drawn: {one_line(error)}", file=sys.stderr)
        return render_plain(night, outcome, one_line(error))


def _remember(store: Store, preset: Preset, night: Night, outcome: Outcome) -> None:
    """Point `last-night` here, unless a later night was judged already.

    An old run may be rendered again.
    """
    value = judged_run(night, outcome)
    if value is None:
        return
    content = to_json(value).encode()
    key = keys.pointer(preset.model_name, "last-night")
    update(store, key, lambda standing: standing if _is_later(store, standing, night) else content)


def _is_later(store: Store, content: bytes | None, night: Night) -> bool:
    """Whether `last-night` points to a night that began after this one."""
    try:
        judged = read_record(JudgedRun, content, "last-night")
    except NewerRecordError:
        return True  # not ours to change
    except ContractError:
        return False
    if judged is None or judged.run_id == night.run_id:
        return False
    resolved = json_object(_read(store, keys.evidence(judged.run_id, "resolve")))
    return str(resolved.get("started_at", "")) > night.step("resolve").started_at


def _add_to_index(store: Store, summary: dict[str, Any]) -> None:
    """Add the run to the index, which is a view: what stops it mustn't stop the report."""
    row = row_of(summary)
    try:
        if row is not None:
            add_to_index(store, row)
    except (EmotionError, OSError) as error:
        print(
            "the index over runs wasn't updated, `emotion report --index` makes it again:"
            f" {one_line(error)}",
            file=sys.stderr,
        )


def _earlier_summary(store: Store, run: str) -> dict[str, Any]:
    return json_object(_read(store, f"{run}/summary.json"))


def _read(store: Store, key: str) -> bytes | None:
    """Return a value, or what stands for one that can't be read.

    No evidence problem may stop the report.
    """
    try:
        return store.read(key)
    except (EmotionError, OSError) as error:
        print(f"{key} can't be read: {one_line(error)}", file=sys.stderr)
        return b"unreadable"


def _index(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m components.reporting index",
        description="The page over all runs of a store.",
    )
    parser.add_argument("--store", required=True, help="folder, gs:// or s3:// URI of the store")
    parser.add_argument(
        "--home", type=Path, help="local folder of runs to write the page to as well"
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="make the index again from every run's summary"
    )
    arguments = parser.parse_args(argv)
    try:
        store = open_store(arguments.store)
        if arguments.rebuild:
            print(
                f"{len(rebuild_index(store).rows):,} runs in"
                f" {store.location(keys.runs_index('html'))}"
            )
        if arguments.home:
            write_home_page(store, arguments.home)
    except (EmotionError, OSError) as error:
        print(f"index failed: {one_line(error)}", file=sys.stderr, flush=True)
        return error.exit_code if isinstance(error, EmotionError) else EnvironmentProblem.exit_code
    return 0


STEPS = {
    "report": Step(
        "build the page and the summary of a night, whatever happened", add_arguments, report
    )
}


def run(argv: Sequence[str]) -> int:
    """Run the step or the command, and return the process's exit code."""
    return _index(argv[1:]) if argv[:1] == ["index"] else main("reporting", STEPS, argv)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
