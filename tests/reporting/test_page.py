import subprocess
import sys
from dataclasses import replace

import pytest

from components.reporting import page as pages
from components.runtime.disk_store import DiskStore
from tests.reporting import builders
from tests.reporting.markup import Page, external_styles

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>$\\frac{1}{0}$ {{ 7*7 }}'
FIGURES = {
    "balance": "Class balance before and after resampling", "accuracy": "Learning curve: accuracy", "loss": "Learning curve: loss",
    "confusion": "Confusion matrix on the test rows", "recalls": "Recall per class",
}  # fmt: skip
DRAWN = {"blessed": FIGURES, "first": FIGURES, "rejected": FIGURES, "needs-approval": FIGURES, "killed": {"balance"}}


def check(content: str) -> Page:
    """What holds for every page."""
    page = Page(content)
    assert page.loads == []
    assert external_styles(content) == []
    assert page.handlers == []
    assert page.scripts == 1
    assert len(page.ids) == len(set(page.ids))
    assert len(content) < 5_000_000
    return page


@pytest.mark.parametrize("name", list(builders.every_night()))
def test_every_night_has_a_sound_page(run, name):
    reported = run(builders.every_night()[name])
    page = check(reported.page)
    assert reported.code == 0
    assert "couldn't be drawn" not in reported.page
    for reason in [*reported.summary["reasons"], reported.summary["error"] or ""]:
        assert reason in page.text
    expected = [FIGURES[figure] for figure in DRAWN.get(name, ())]
    drawn = [attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg" and attributes.get("class") == "figure"]
    assert sorted(drawn) == sorted(expected)
    assert "Article 5(1)(f)" in page.text


def test_a_whole_night_shows_all_of_it(run):
    text = check(run(builders.every_night()["blessed"]).page).text
    found = builders.ingest()
    for phrase in (
        "the new champion", f"{found.read:,}", "twin-in-test", "contempt 0 0 0 2", "train/angry/00000.png", "tensorflow-data-validation",
        "sharpness drift",
        "0.118", "10 were kept", "oversample", "temperature 1.31", "only the challenger 71", "✗ wrong", "✓ right", "champion: disgust",
        "3.8 ms", "kserve 0.21", "31.5 s", "python 3.11.2", "b" * 64, "InferenceService", '"architecture": "small-cnn"', "gs://bucket/models",
    ):  # fmt: skip
        assert phrase in text, phrase


def test_numbers_of_the_confusion_matrix_are_text(run):
    text = check(run(builders.every_night()["blessed"]).page).text
    for row in builders.evaluate().challenger.confusion:
        assert f"{max(row):,}" in text


def test_a_cached_step_says_so(run):
    night = builders.every_night()["rejected"]
    night["resolve"] = replace(night["resolve"], started_at="2026-11-21T03:00:00.000+00:00", finished_at="2026-11-21T03:00:01.000+00:00")
    reported = run(night)
    assert "cached 31.5 s" in check(reported.page).text
    assert all(step["cached"] for step in reported.summary["steps"][1:-1])


def test_no_figures_no_matplotlib(tmp_path):
    """In a process of its own: a night without figures is reported within a second."""
    store = DiskStore(tmp_path / "store")
    builders.write(store, builders.every_night()["nothing-new"])
    command = [sys.executable, "-X", "importtime", "-m", "components.reporting", *builders.arguments(store.root, tmp_path / "page")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "jinja2" in done.stderr
    assert "matplotlib" not in done.stderr


def test_hostile_names_are_text(run):
    findings = builders.blessed()
    labels = (HOSTILE, *builders.LABELS[1:])

    def renamed(counts):
        return {HOSTILE if name == "angry" else name: value for name, value in counts.items()}

    ingest = findings["ingest"]
    evaluate = findings["evaluate"]
    scores = replace(
        evaluate.challenger, per_class=(replace(evaluate.challenger.per_class[0], label=HOSTILE), *evaluate.challenger.per_class[1:])
    )
    sample = replace(evaluate.samples[0], label=HOSTILE, predicted=HOSTILE)
    findings |= {
        "resolve": builders.resolve(uri=f"gs://{HOSTILE}"),
        "ingest": replace(
            ingest, labels=labels, layout=HOSTILE, counts={split: renamed(counts) for split, counts in ingest.counts.items()},
            reject_reasons={HOSTILE: 14}, thumbnails=renamed(ingest.thumbnails),
            rejected_examples=(replace(ingest.rejected_examples[0], source_uri=HOSTILE, detail=HOSTILE),),
        ),
        "resample": replace(findings["resample"], before=renamed(findings["resample"].before), strategy=HOSTILE),
        "evaluate": replace(evaluate, labels=labels, challenger=scores, samples=(sample,)),
        "gate": replace(findings["gate"], reasons=(HOSTILE,)),
    }  # fmt: skip
    reported = run(builders.evidence(findings))
    page = check(reported.page)
    assert "could not be drawn" not in reported.page
    assert HOSTILE in page.text
    assert "<script>alert" not in reported.page
    assert "<img src=x" not in reported.text("model_card.md")


def test_only_raster_data_is_shown_as_an_image(run):
    findings = builders.blessed()
    images = (
        "https://example.org/face.png", "javascript:alert(1)", "data:text/html;base64,PGI+", 'data:image/png;base64,AA"onload="x',
        "data:image/svg+xml;base64,AAAA", "",
    )  # fmt: skip
    samples = tuple(replace(findings["evaluate"].samples[1], image=image) for image in images)
    findings |= {
        "evaluate": replace(findings["evaluate"], samples=samples),
        "ingest": replace(findings["ingest"], thumbnails={"angry": images}),
    }
    page = check(run(builders.evidence(findings)).page)
    assert [tag for tag, _ in page.tags if tag == "img"] == []
    assert "✓ right" in page.text


def test_a_flood_of_images_and_rows_stays_small(run):
    findings = builders.blessed()
    big = "data:image/png;base64," + "A" * 400_000
    samples = findings["evaluate"].samples * 2
    rejected = findings["ingest"].rejected_examples * 100
    findings |= {
        "evaluate": replace(findings["evaluate"], samples=tuple(replace(sample, image=big) for sample in samples)),
        "ingest": replace(findings["ingest"], rejected_examples=rejected, thumbnails=dict.fromkeys(builders.LABELS, (big,) * 3)),
    }
    check(run(builders.evidence(findings)).page)


@pytest.mark.filterwarnings("ignore::UserWarning")  # matplotlib wonders about the axes
def test_findings_that_contradict_themselves_cost_only_their_figure(run):
    findings = builders.blessed()
    findings["train"] = replace(findings["train"], history={"accuracy": (0.1,)}, best_epoch=99)
    findings["evaluate"] = replace(
        findings["evaluate"], challenger=replace(findings["evaluate"].challenger, confusion=((1,),), per_class=())
    )
    page = check(run(builders.evidence(findings)).page)
    assert "This figure could not be drawn" in page.text
    assert "Class balance before and after resampling" in [attributes.get("aria-label") for _, attributes in page.tags]


def test_an_unforeseen_error_leaves_a_plain_page(run, monkeypatch, capsys):
    def explode(*_):
        raise RuntimeError("<boom>")

    monkeypatch.setattr(pages, "timeline", explode)
    reported = run(builders.every_night()["rejected"])
    assert reported.code == 0
    assert "RuntimeError: <boom>" in capsys.readouterr().err
    text = Page(reported.page).text
    assert "RuntimeError: <boom>" in text
    assert reported.summary["reasons"][0] in text


@pytest.mark.parametrize("broken", ["resolve", "ingest", "evaluate", "gate"])
def test_a_step_may_be_torn(run, tmp_path, broken):
    night = builders.every_night()["blessed"]
    builders.write(DiskStore(tmp_path / "store"), night)
    DiskStore(tmp_path / "store").write(f"runs/{builders.RUN}/evidence/{broken}.json", b'{"step": "tr')
    again = run()
    page = check(again.page)
    assert again.code == 0
    assert "isn't valid" in page.text or "Expecting" in page.text or "Unterminated" in page.text
    assert again.summary["outcome"] == ("failed" if broken == "gate" else "blessed")


def test_a_run_without_any_evidence(run):
    reported = run()
    assert reported.summary["outcome"] == "failed"
    assert "Resolve never began" in check(reported.page).text


def test_an_empty_folder_in_the_pages_place_gives_way(run, tmp_path):
    (tmp_path / "artifacts" / "page").mkdir(parents=True)
    assert run(builders.every_night()["nothing-new"]).code == 0
    assert (tmp_path / "artifacts" / "page").is_file()


def test_pages_are_the_same_every_time(run):
    night = builders.every_night()["blessed"]
    assert run(night).page == run().page


def test_model_card(run):
    reported = run(builders.every_night()["blessed"])
    card = reported.text("model_card.md")
    assert card.startswith("# faces, version 9e41aa03c6d5\n")
    assert "Article 5(1)(f)" in card
    assert "| fear |" in card
    assert "| accuracy | 0.91" in card
    assert run(builders.every_night()["nothing-new"], folder="other").text("model_card.md") is None
