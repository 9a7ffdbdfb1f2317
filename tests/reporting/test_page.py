import base64
import hashlib
import json
from dataclasses import replace

import pytest

from components.reporting.__main__ import STEPS
from components.reporting.page import page as pages
from components.shared.findings import RolloutFindings, RolloutStep
from components.shared.step.frame import main
from components.shared.store.disk import DiskStore
from tests.kfp_output import metadata
from tests.reporting import builders
from tests.reporting.markup import Page, external_styles

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>$\\frac{1}{0}$ {{ 7*7 }}'
TRAINING = {
    "Class balance before and after resampling",
    "Learning curve: accuracy",
    "Learning curve: loss",
}
SCORES = {
    "Confusion matrix of the challenger",
    "Reliability diagram",
    *(
        f"{kind} of {label}"
        for kind in ("ROC curve", "Precision and recall")
        for label in builders.LABELS
    ),
}
AGAINST = {
    "Confusion matrix of the champion",
    "Difference of recall per class",
    "Difference of accuracy per slice",
}
ALONE, BOTH = TRAINING | SCORES, TRAINING | SCORES | AGAINST
DRAWN = {
    "blessed": BOTH,
    "first": ALONE,
    "rejected": BOTH,
    "needs-approval": ALONE,
    "killed": {"Class balance before and after resampling"},
}


STEP = RolloutStep(10, 30.0, 310, 0, 12, 0.0096, 5.0, 6.0)


def check(content: str) -> Page:
    """What holds for every page."""
    page = Page(content)
    assert page.loads == []
    assert set(page.links) <= {"data_docs/index.html", "doubtful_labels.csv"}
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
    drawn = [
        attributes.get("aria-label")
        for tag, attributes in page.tags
        if tag == "svg" and attributes.get("class") == "figure"
    ]
    assert sorted(drawn) == sorted(DRAWN.get(name, ()))
    assert "Article 5(1)(f)" in page.text


def test_a_whole_night_shows_all_of_it(run):
    text = check(run(builders.every_night()["blessed"]).page).text
    found, found_both = builders.ingest(), builders.evaluate().comparison
    for phrase in (
        "the new champion",
        f"{found.read:,}",
        "twin in test",
        "contempt 0 0 0 2",
        "train/angry/00000.png",
        "tensorflow-data-validation",
        "sharpness drift",
        "Data Docs",
        "doubtful_labels.csv",
        "Not inferior to the champion",
        "gather fresh ones",
        "or p > 0.007",
        "0.118",
        "10 were kept",
        "oversample",
        "temperature 1.31",
        f"only the challenger {found_both.only_challenger_right}",
        "✗ wrong",
        "✓ right",
        "brightness dark (below 85)",
        "Only the champion is right",
        "3.8 ms",
        "0.930, 90% interval 0.880 to 1.020",
        "kserve 0.21",
        "31.5 s",
        "python 3.11.2",
        "b" * 64,
        "InferenceService",
        '"architecture": "small-cnn"',
        "gs://bucket/models",
    ):
        assert phrase in text, phrase


def test_numbers_of_the_confusion_matrix_are_text(run):
    text = check(run(builders.every_night()["blessed"]).page).text
    for row in builders.evaluate().challenger.confusion:
        assert f"{max(row):,}" in text


def test_a_cached_step_says_so(run):
    night = builders.every_night()["rejected"]
    night["resolve"] = replace(
        night["resolve"],
        started_at="2026-11-21T03:00:00.000+00:00",
        finished_at="2026-11-21T03:00:01.000+00:00",
    )
    reported = run(night)
    assert "cached 31.5 s" in check(reported.page).text
    assert all(step["cached"] for step in reported.summary["steps"][1:-1])


def test_the_policy_admits_the_style_and_script_of_the_page_and_nothing_else(run):
    content = run(builders.every_night()["blessed"]).page
    policy = next(
        attributes["content"]
        for tag, attributes in Page(content).tags
        if "http-equiv" in attributes
    )
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        inside = content.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert [
        name for _, attributes in Page(content).tags for name in attributes if name == "style"
    ] == []


def test_what_older_nights_left_still_makes_a_page(run):
    """Evidence from before slices, curves, flips, label noise and looks were found."""
    night = builders.every_night()["blessed"]
    old = {
        "validate": ("slices", "label_noise", "data_docs"),
        "evaluate": (
            "scored_on",
            "test_set",
            "anchor_comparison",
            "held_out",
            "classes",
            "slices",
            "gained",
            "lost",
        ),
        "gate": (
            "deciding",
            "better",
            "better_than_anchor",
            "resolution",
            "looks",
            "policy_digest",
        ),
        "check-serving": ("p95_ratio", "p95_ratio_interval"),
    }
    for step, names in old.items():
        kept = {name: value for name, value in night[step].findings.items() if name not in names}
        night[step] = replace(night[step], findings=kept)
    for model in ("challenger", "champion", "anchor"):
        for name in ("accuracy_interval", "reliability", "curves", "parts", "soft"):
            del night["evaluate"].findings[model][name]
    page = check(run(night).page)
    assert "couldn't be drawn" not in page.text
    drawn = {
        attributes.get("aria-label")
        for tag, attributes in page.tags
        if tag == "svg" and attributes.get("class") == "figure"
    }
    assert drawn == TRAINING | {
        "Confusion matrix of the challenger",
        "Confusion matrix of the champion",
    }


def test_a_version_that_waits_tells_how_to_decide(run):
    text = check(run(builders.every_night()["needs-approval"]).page).text
    assert f"emotion models approve {builders.RUN} --by NAME --why TEXT" in text


def test_a_paused_rollout_tells_how_it_goes_on_and_as_of_when(run):
    night = builders.every_night()["blessed"]
    rollout = RolloutFindings(
        "paused",
        "new",
        "old",
        10,
        "a person paused it",
        (STEP,),
        60.0,
        "r/serving:2",
        "r/serving:1",
    )
    deploy = night["deploy"]
    night |= {
        "deploy": replace(
            deploy, findings=deploy.findings | {"rollout": builders.to_plain(rollout)}
        )
    }
    text = check(run(night).page).text
    assert (
        "On 21 November 2026, 02:01 UTC a person had paused its rollout at 10 % of the traffic."
        in text
    )
    assert "emotion rollout status" in text
    assert "emotion models approve" not in text, "nobody asked for that"
    assert "Image r/serving:2, before r/serving:1." in text.replace(" ,", ",").replace(" .", ".")
    assert "0.96%" in text, "the bound of the error rate has two digits, as the terminal shows it"


def test_hostile_names_are_text(run):
    findings = builders.blessed()
    labels = (HOSTILE, *builders.LABELS[1:])

    def renamed(counts):
        return {HOSTILE if name == "angry" else name: value for name, value in counts.items()}

    ingest = findings["ingest"]
    evaluate = findings["evaluate"]
    scores = replace(
        evaluate.challenger,
        per_class=(
            replace(evaluate.challenger.per_class[0], label=HOSTILE),
            *evaluate.challenger.per_class[1:],
        ),
    )
    changes = tuple(replace(change, name=HOSTILE) for change in evaluate.classes)
    sample = replace(evaluate.samples[0], label=HOSTILE, predicted=HOSTILE)
    findings |= {
        "resolve": builders.resolve(uri=f"gs://{HOSTILE}"),
        "validate": replace(findings["validate"], data_docs="javascript:alert(3)"),
        "ingest": replace(
            ingest,
            labels=labels,
            layout=HOSTILE,
            counts={split: renamed(counts) for split, counts in ingest.counts.items()},
            reject_reasons={HOSTILE: 14},
            thumbnails=renamed(ingest.thumbnails),
            rejected_examples=(
                replace(ingest.rejected_examples[0], source_uri=HOSTILE, detail=HOSTILE),
            ),
        ),
        "resample": replace(
            findings["resample"], before=renamed(findings["resample"].before), strategy=HOSTILE
        ),
        "evaluate": replace(
            evaluate,
            labels=labels,
            challenger=scores,
            samples=(sample,),
            gained=(sample,),
            classes=changes,
            slices=changes,
        ),
        "gate": replace(findings["gate"], reasons=(HOSTILE,)),
    }
    reported = run(builders.evidence(findings))
    page = check(reported.page)
    assert "could not be drawn" not in reported.page
    assert "javascript:" not in reported.page
    assert HOSTILE in page.text
    assert "<script>alert" not in reported.page
    assert "<img src=x" not in card(reported)


def test_only_raster_data_is_shown_as_an_image(run):
    findings = builders.blessed()
    images = (
        "https://example.org/face.png",
        "javascript:alert(1)",
        "data:text/html;base64,PGI+",
        'data:image/png;base64,AA"onload="x',
        "data:image/svg+xml;base64,AAAA",
        "",
    )
    samples = tuple(replace(findings["evaluate"].samples[1], image=image) for image in images)
    findings |= {
        "evaluate": replace(findings["evaluate"], samples=samples, gained=samples, lost=()),
        "ingest": replace(findings["ingest"], thumbnails={"angry": images}),
        "validate": replace(findings["validate"], label_noise=None),
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
        "evaluate": replace(
            findings["evaluate"], samples=tuple(replace(sample, image=big) for sample in samples)
        ),
        "ingest": replace(
            findings["ingest"],
            rejected_examples=rejected,
            thumbnails=dict.fromkeys(builders.LABELS, (big,) * 3),
        ),
    }
    check(run(builders.evidence(findings)).page)


def test_findings_that_contradict_themselves_cost_only_their_figure(run):
    findings = builders.blessed()
    findings["train"] = replace(findings["train"], history={"accuracy": (0.1,)}, best_epoch=99)
    findings["evaluate"] = replace(
        findings["evaluate"],
        challenger=replace(findings["evaluate"].challenger, confusion=((1,),), per_class=()),
    )
    page = check(run(builders.evidence(findings)).page)
    assert "This figure could not be drawn" in page.text
    assert "Class balance before and after resampling" in [
        attributes.get("aria-label") for _, attributes in page.tags
    ]


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
    DiskStore(tmp_path / "store").write(
        f"runs/{builders.RUN}/evidence/{broken}.json", b'{"step": "tr'
    )
    again = run()
    page = check(again.page)
    assert again.code == 0
    assert "isn't valid" in page.text or "Expecting" in page.text or "Unterminated" in page.text
    assert again.summary["outcome"] == ("failed" if broken == "gate" else "blessed")


def test_a_run_without_any_evidence(run):
    reported = run()
    assert (reported.summary["outcome"], reported.summary["preset"]) == ("failed", "unknown")
    text = check(reported.page).text
    assert "Resolve never began" in text
    assert "none in the store: Resolve, which stores it, didn’t come so far" in text


def test_a_clone_of_a_run_has_a_page_of_its_own(run, tmp_path):
    """A run cloned in Kubeflow's UI has the name of the first one's.

    What that one left stays as it is.
    """
    first = run(builders.every_night()["blessed"])
    clone = [
        argument.replace("job-1", "clone-id")
        for argument in builders.arguments(first.store.root, tmp_path / "clone")
    ]
    assert main("reporting", STEPS, clone) == 0
    assert first.text("report.html") == first.page
    assert json.loads(first.text("summary.json"))["outcome"] == "blessed"
    summary = json.loads(first.store.read(f"runs/{builders.RUN}-clone-id/summary.json"))
    assert (summary["outcome"], summary["failed_step"]) == ("failed", "resolve")


def test_the_page_leads_to_the_report_in_the_store(run, tmp_path):
    reported = run(builders.every_night()["blessed"])
    address = reported.store.location(f"runs/{builders.RUN}/report.html")
    told = {
        "outcome": "blessed",
        "headline": reported.summary["headline"],
        "report in the store": address,
    }
    assert metadata(tmp_path / "artifacts")["page"] == told


def test_an_empty_folder_in_the_pages_place_gives_way(run, tmp_path):
    (tmp_path / "artifacts" / "page").mkdir(parents=True)
    assert run(builders.every_night()["nothing-new"]).code == 0
    assert (tmp_path / "artifacts" / "page").is_file()


def test_pages_are_the_same_every_time(run):
    night = builders.every_night()["blessed"]
    assert run(night).page == run().page


def card(reported):
    content = reported.store.read(f"models/faces/cards/{builders.CHALLENGER}.md")
    return content.decode() if content is not None else None


def test_a_card_stands_beside_the_version(run):
    text = card(run(builders.every_night()["blessed"]))
    assert text.startswith("# faces, version 9e41aa03c6d5\n")
    for phrase in (
        "## Intended use",
        "## Prohibited use",
        "Article 5(1)(f)",
        "## Limits",
        "| fear |",
        "| brightness | dark (below 85) |",
    ):
        assert phrase in text, phrase
    assert f"| accuracy | {builders.evaluate().challenger.accuracy:.4f} |" in text
    assert "Fewer than 100 rows stand behind disgust." in text
    assert card(run(builders.every_night()["nothing-new"], folder="other")) is None
