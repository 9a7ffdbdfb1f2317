import json
import multiprocessing
from datetime import timedelta
from functools import partial

import pytest

from components.reporting import index_store
from components.reporting.__main__ import run as command
from components.reporting.index import Index, Row, render_index, row_of
from components.reporting.index_store import add_to_index, rebuild_index
from components.shared.errors import ConflictError
from components.shared.retry import Retry
from components.shared.serialization import from_json, to_json
from components.shared.store.disk import DiskStore
from components.shared.store.interface import update
from tests.reporting import builders
from tests.reporting.markup import Page

FORK = multiprocessing.get_context("fork")


def row(number, outcome="blessed", model="faces", accuracy=0.8):
    when = f"2026-11-{number:02}T02:00:00.000+00:00"
    return Row(
        f"night-{number}",
        model,
        model,
        outcome,
        when,
        60.0 * number,
        "why",
        accuracy,
        0.79,
        f"v{number}",
    )


def index(*rows):
    return Index({each.run_id: each for each in rows})


def test_a_report_adds_its_row_and_links_its_page(run):
    reported = run(builders.every_night()["blessed"])
    found = from_json(Index, reported.store.read("runs/index.json")).rows[builders.RUN]
    challenger = builders.evaluate().challenger
    assert (found.outcome, found.accuracy, found.champion) == (
        "blessed",
        challenger.accuracy,
        challenger.version,
    )
    assert found.seconds == pytest.approx(
        sum(builders.SECONDS[step] for step in builders.blessed())
    )
    page = Page(reported.store.read("runs/index.html").decode())
    assert page.links == [f"{builders.RUN}/report.html"]
    assert page.loads == []
    assert builders.NOT_INFERIOR in page.text
    assert "1 run, the newest first." in page.text
    assert "1 run, 1 blessed." in page.text


def test_a_report_rendered_again_changes_nothing(run):
    reported = run(builders.every_night()["blessed"])
    first = [reported.store.read(f"runs/index.{kind}") for kind in ("json", "html")]
    run()
    assert [reported.store.read(f"runs/index.{kind}") for kind in ("json", "html")] == first


def test_several_nights_make_a_trend_newest_first(run):
    for number, name in enumerate(("first", "rejected", "needs-approval", "nothing-new", "failed")):
        run(
            builders.evidence_of(name, f"night-{number}", builders.BEGAN + timedelta(days=number)),
            run_id=f"night-{number}",
        )
    page = Page(run(builders.every_night()["blessed"]).store.read("runs/index.html").decode())
    nights = [link.removesuffix("/report.html") for link in page.links]
    assert nights == ["night-4", "night-3", "night-2", "night-1", "night-0", builders.RUN]
    assert "6 runs, 2 blessed, 1 rejected, 1 needs approval, 1 nothing new, 1 failed." in page.text
    labels = [attributes.get("aria-label", "") for tag, attributes in page.tags if tag == "svg"]
    assert "Accuracy of champion and challengers, night by night" in labels


def test_models_stand_apart_and_one_night_draws_no_trend():
    page = Page(render_index(index(row(1), row(2), row(3, model="other")), {"night-1"}))
    assert [tag for tag, _ in page.tags].count("section") == 2
    assert page.links == ["night-1/report.html"]
    assert (
        sum(attributes.get("class") == "figure" for tag, attributes in page.tags if tag == "svg")
        == 2
    )


def test_no_runs_at_all():
    assert "No run has been reported yet" in Page(render_index(Index({}), ())).text


def test_reports_that_end_at_once_lose_no_row(tmp_path):
    store = DiskStore(tmp_path)
    processes = [
        FORK.Process(target=add_to_index, args=(store, row(number))) for number in range(1, 9)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * 8
    rows = from_json(Index, store.read("runs/index.json")).rows
    assert set(rows) == {f"night-{number}" for number in range(1, 9)}
    assert all(run_id in store.read("runs/index.html").decode() for run_id in rows)


class Contested(DiskStore):
    """Somebody else writes the index right before every compare-and-set."""

    def compare_and_set(self, key, expected, content):
        number = len(from_json(Index, self.read(key) or b'{"rows": {}}').rows) + 10
        self.write(key, to_json(index(*(row(each) for each in range(10, number + 1)))).encode())
        super().compare_and_set(key, expected, content)


def test_an_index_that_never_stands_still_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(index_store, "update", partial(update, retry=Retry(0.2, 0.02, 0.1)))
    with pytest.raises(ConflictError, match="others kept changing .*/runs/index.json for 0.2 s"):
        add_to_index(Contested(tmp_path), row(1))


@pytest.mark.parametrize("content", [None, b"{", b'{"rows": {"x": {}}}'])
def test_a_lost_or_torn_index_is_made_again_from_the_summaries(run, content):
    reported = run(builders.every_night()["blessed"])
    (reported.store.root / "runs/index.json").unlink()
    if content is not None:
        reported.store.write("runs/index.json", content)
    run(builders.evidence_of("rejected", "next", builders.BEGAN + timedelta(days=1)), run_id="next")
    assert set(from_json(Index, reported.store.read("runs/index.json")).rows) == {
        builders.RUN,
        "next",
    }


def test_rebuilding_passes_over_what_is_no_summary(run):
    reported = run(builders.every_night()["blessed"])
    for name, content in (
        ("torn", b"{"),
        ("list", b"[]"),
        ("old", b'{"run_id": "old"}'),
        ("odd", b'{"outcome": "sunny"}'),
    ):
        reported.store.write(f"runs/{name}/summary.json", content)
    assert set(rebuild_index(reported.store).rows) == {builders.RUN}


def test_the_command_writes_the_page_at_home_and_links_what_stands_there(run, tmp_path, capsys):
    reported = run(builders.every_night()["blessed"])
    run(builders.evidence_of("rejected", "next", builders.BEGAN + timedelta(days=1)), run_id="next")
    home = tmp_path / "home"
    (home / "next").mkdir(parents=True)
    (home / "next" / "report.html").write_text("")
    assert (
        command(["index", "--store", str(reported.store.root), "--home", str(home), "--rebuild"])
        == 0
    )
    assert "2 runs in " in capsys.readouterr().out
    page = Page((home / "index.html").read_text())
    assert page.links == ["next/report.html"]
    assert builders.RUN in page.text


def test_the_command_tells_a_wrong_store_in_one_line(capsys):
    assert command(["index", "--store", "ftp://somewhere"]) == 2
    assert capsys.readouterr().err.startswith("index failed: can't open the store ftp://somewhere")


def test_a_summary_gives_its_row(run):
    summary = run(builders.every_night()["failed"]).summary
    found = row_of(json.loads(json.dumps(summary)))
    assert (found.outcome, found.accuracy, found.champion) == (
        "failed",
        None,
        builders.CHAMPION.version,
    )
    assert found.why.startswith("Ingest failed")
