"""Doubtful labels.

Planted ones are found, small sets and odd labels are no error, and a person gets a list to decide
over.
"""

import csv
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.shared.findings import LabelNoise
from components.shared.preset import ValidationPolicy
from components.validation.label_noise import out_of_fold, rows
from components.validation.label_noise.doubts import doubted, margins
from components.validation.label_noise.features import COUNT, features
from components.validation.label_noise.judge import LISTED, RELABEL_COLUMNS, judge
from components.validation.verdict import doubtful_labels_rule
from pipelines.demo.faces import draw
from tests.artifacts import example_rows, png, write_examples
from tests.validation.data import LABELS

PLANTED = 0.05


def found_in(
    folder: Path, table: list[dict[str, object]]
) -> tuple[LabelNoise | None, list[dict[str, str]]]:
    snapshot = write_examples(folder / "examples", table, LABELS)
    relabels = folder / "doubtful_labels.csv"
    noise = judge(folder / "examples", snapshot, LABELS, 1, None, relabels)
    with open(relabels, newline="") as stream:
        return noise, list(csv.DictReader(stream))


def test_planted_wrong_labels_come_first(tmp_path: Path) -> None:
    table = example_rows({"train": dict.fromkeys(LABELS, 140)}, LABELS)
    wrong = set(random.Random(3).sample(range(len(table)), round(PLANTED * len(table))))
    for index, row in enumerate(table):
        label = str(row["label"])
        row["image"] = png(draw(label, random.Random(index)))
        if index in wrong:
            row["label"] = random.Random(index).choice(
                [other for other in LABELS if other != label]
            )
    planted = {str(table[index]["example_id"]) for index in wrong}
    noise, listed = found_in(tmp_path, table)
    assert noise is not None
    assert noise.accuracy > 3 * noise.chance
    top = [row["example_id"] for row in listed[: len(planted)]]
    assert np.mean([name in planted for name in top]) > 6 * PLANTED
    assert np.mean([each.example_id in planted for each in noise.most_doubtful]) > 6 * PLANTED
    assert all(each.image.startswith("data:image/png;base64,") for each in noise.most_doubtful)


def test_the_list_is_ready_to_become_relabels(tmp_path: Path) -> None:
    table = example_rows({"train": dict.fromkeys(LABELS, 40), "left-out": {"sad": 5}}, LABELS)
    table[0]["label"] = "sad"  # its stripe says angry
    noise, listed = found_in(tmp_path, table)
    assert noise is not None
    assert noise.rows == noise.of_rows == 280
    assert noise.doubted["sad"] == 1
    first = listed[0]
    assert tuple(first) == RELABEL_COLUMNS
    assert first["example_id"] == table[0]["example_id"]
    assert (first["old_label"], first["label"], first["by"], first["at"]) == (
        "sad",
        "angry",
        "",
        "",
    )
    assert len(listed) <= LISTED
    assert noise.most_doubtful[0].suggested_probability > noise.most_doubtful[0].label_probability


def test_too_few_rows_are_not_judged(tmp_path: Path) -> None:
    snapshot = write_examples(
        tmp_path / "examples", example_rows({"train": dict.fromkeys(LABELS, 5)}, LABELS), LABELS
    )
    assert judge(tmp_path / "examples", snapshot, LABELS, 1, None, tmp_path / "out.csv") is None
    rule = doubtful_labels_rule(None, ValidationPolicy())
    assert (rule.passed, rule.value) == (True, "not measured")


def test_labels_that_have_nothing_to_do_with_the_pictures_are_told() -> None:
    noise = LabelNoise(
        "m", 1000, 1000, 0.15, 1 / 7, dict.fromkeys(LABELS, 100), (), "doubtful_labels.csv"
    )
    rule = doubtful_labels_rule(noise, ValidationPolicy())
    assert not rule.passed
    assert "can't be told from the pictures" in rule.sentence
    better = doubtful_labels_rule(
        replace(noise, accuracy=0.6, doubted={"sad": 200}, of_rows=5000), ValidationPolicy()
    )
    assert better.passed
    assert "Of 1,000 labels 20.0% look wrong" in better.sentence
    assert "a drawn sample of 5,000 rows" in better.sentence


def test_features_do_not_depend_on_light_and_contrast() -> None:
    pixels = draw("happy", random.Random(1)).astype(np.float32)
    pair = features(np.stack([pixels, pixels * 0.8 + 20]).astype(np.uint8))
    assert pair.shape == (2, COUNT)
    assert np.corrcoef(pair)[0, 1] > 0.98
    assert np.isfinite(features(np.zeros((1, 48, 48), np.uint8))).all()


def test_no_row_is_judged_by_a_model_that_saw_its_group() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 6)).astype(np.float32)
    labels, groups = rng.integers(0, 2, 200), [f"g{index // 2}" for index in range(200)]
    fold = out_of_fold.folds(groups)
    assert all(fold[index] == fold[index + 1] for index in range(0, 200, 2))
    before = out_of_fold.predict(values.copy(), labels, fold, 2)
    changed = labels.copy()
    changed[fold == 0] = 1 - changed[fold == 0]
    after = out_of_fold.predict(values.copy(), changed, fold, 2)
    np.testing.assert_allclose(before[fold == 0], after[fold == 0])
    assert not np.allclose(before[fold != 0], after[fold != 0])


def test_out_of_fold_probabilities_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(2)
    labels, fold = rng.integers(0, 3, 300), rng.integers(0, out_of_fold.FOLDS, 300)
    values = (rng.normal(size=(300, 4)) + labels[:, None]).astype(np.float32)
    given = out_of_fold.predict(values.copy(), labels, fold, 3)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    train, row = fold != 2, int(np.flatnonzero(fold == 2)[0])
    means = np.array([scaled[train & (labels == label)].mean(axis=0) for label in range(3)])
    centred = scaled[train] - means[labels[train]]
    covariance = centred.T @ centred / train.sum()
    shrunk = (1 - out_of_fold.SHRINKAGE) * covariance + out_of_fold.SHRINKAGE * np.trace(
        covariance
    ) / 4 * np.eye(4)
    density = [
        np.exp(-0.5 * (scaled[row] - mean) @ np.linalg.inv(shrunk) @ (scaled[row] - mean))
        for mean in means
    ]
    weighted = np.array(density) * np.bincount(labels[train], minlength=3)
    np.testing.assert_allclose(given[row], weighted / weighted.sum(), rtol=1e-3)


def test_nan_and_a_class_of_one_fold_are_no_error() -> None:
    values = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    values[::7, 1] = np.nan
    labels = np.zeros(50, np.int64)
    labels[0] = 1
    probabilities = out_of_fold.predict(values, labels, np.arange(50) % out_of_fold.FOLDS, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities[0, 1] == 0


def test_confident_learning_on_a_table_made_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    labels = np.array([0, 0, 0, 1, 1])  # thresholds 0.6 and 0.75
    assert doubted(probabilities, labels).tolist() == [False, False, True, False, False]
    margin, best = margins(probabilities, labels)
    assert margin.tolist() == pytest.approx([0.8, 0.6, -0.8, 0.6, 0.4])
    assert best.tolist() == [1, 1, 1, 0, 0]


def test_a_sample_is_drawn_by_its_seed() -> None:
    every = np.arange(1000)
    first, again, other = (
        rows.sample(every, 100, seed) for seed in ("ab" * 32, "ab" * 32, "cd" * 32)
    )
    assert first.tolist() == again.tolist() == sorted(set(first.tolist()))
    assert len(first) == 100
    assert first.tolist() != other.tolist()
    assert rows.sample(every, 1000, "ab") is every
