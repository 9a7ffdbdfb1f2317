"""Which faces a night has: shares, flaws, and what changes from night to night."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.shared.errors import EmotionError
from components.shared.images.decode import ImageRefused, decode
from pipelines.demo.nights import (
    IMBALANCES,
    LABELS,
    TEST_SHARE,
    Options,
    content,
    imbalance,
    night,
    pixels,
)

OPTIONS = Options(
    seed=7,
    count=2000,
    size=16,
    channels=1,
    weights=IMBALANCES["mild"],
    label_noise=0.02,
    corrupt=0.01,
    duplicates=0.03,
)


@pytest.mark.parametrize("name", [*IMBALANCES, "happy=3,disgust=0.25", "fear=0"])
def test_imbalance_is_as_asked(name: str) -> None:
    options = replace(OPTIONS, weights=imbalance(name))
    found = Counter(face.expression for face in night(options, 0))
    for label, share in zip(LABELS, options.shares, strict=True):
        assert found[label] == pytest.approx(share * options.count, abs=4), label


def test_default_majority_is_a_quarter_or_less() -> None:
    assert 0.2 <= max(OPTIONS.shares) <= 0.25


@pytest.mark.parametrize("seed", [1, 7, 12345])
def test_flaws_are_as_many_as_asked(seed: int) -> None:
    found = Counter(face.flaw for face in night(replace(OPTIONS, seed=seed), 0))
    assert found["corrupt"] == pytest.approx(20, abs=3)
    assert found["duplicate"] == pytest.approx(60, abs=3)
    assert found["mislabelled"] == pytest.approx(40, abs=3)


def test_label_noise_files_a_face_under_another_label_and_nothing_else_does() -> None:
    for face in night(OPTIONS, 0):
        assert (face.label != face.expression) == (face.flaw == "mislabelled")


def test_duplicates_have_the_pixels_of_an_earlier_face_under_the_same_label() -> None:
    faces = {face.index: face for face in night(OPTIONS, 0)}
    copies = [face for face in faces.values() if face.original is not None]
    assert len(copies) == pytest.approx(60, abs=5)
    for face in copies[:10]:
        original = faces[face.original]  # type: ignore[index]
        assert original.index < face.index
        assert (original.label, original.flaw) == (face.label, "none")
        assert np.array_equal(pixels(OPTIONS, face), pixels(OPTIONS, original))


def test_corrupt_files_are_refused_for_several_reasons_and_only_they() -> None:
    options = replace(OPTIONS, count=300, corrupt=0.2)
    reasons: Counter[str] = Counter()
    for face in night(options, 0):
        try:
            decode(content(options, face))
            reasons["fine"] += 1
        except ImageRefused as refused:
            assert face.flaw == "corrupt"
            reasons[refused.reason] += 1
    assert set(reasons) == {"fine", "empty", "not-an-image", "truncated"}
    assert 300 - reasons["fine"] == pytest.approx(60, abs=3)


def test_flaws_do_not_depend_on_the_expression() -> None:
    options = replace(OPTIONS, count=20_000, label_noise=0.1)
    faces = night(options, 0)
    for label in LABELS:
        mine = [face for face in faces if face.expression == label]
        assert sum(face.flaw == "mislabelled" for face in mine) / len(mine) == pytest.approx(
            0.1, abs=0.02
        )
        assert sum(face.split == "test" for face in mine) / len(mine) == pytest.approx(
            TEST_SHARE, abs=0.02
        )


@pytest.mark.parametrize("number", [1, 2, 9])
def test_each_night_some_are_new_some_changed_some_gone(number: int) -> None:
    before = {face.index: face for face in night(OPTIONS, number - 1)}
    after = {face.index: face for face in night(OPTIONS, number)}
    new, gone, both = (
        after.keys() - before.keys(),
        before.keys() - after.keys(),
        after.keys() & before.keys(),
    )
    changed = [index for index in both if after[index].version != before[index].version]
    assert len(new) == 120
    assert len(gone) == round(0.03 * len(before))
    assert len(changed) == round(0.01 * len(before))
    assert all(index > max(before) for index in new)
    index = changed[0]
    assert after[index].label == before[index].label
    assert after[index].split == before[index].split


def test_a_changed_face_has_another_picture() -> None:
    old = {face.index: face for face in night(OPTIONS, 0)}
    changed = [face for face in night(OPTIONS, 1) if face.version == 1 and face.flaw == "none"]
    assert len(changed) > 10
    assert not np.array_equal(pixels(OPTIONS, changed[0]), pixels(OPTIONS, old[changed[0].index]))


def test_a_night_is_a_pure_function_and_the_seed_matters() -> None:
    assert night(OPTIONS, 5) == night(OPTIONS, 5)
    one, other = night(OPTIONS, 0)[0], night(replace(OPTIONS, seed=8), 0)[0]
    assert not np.array_equal(pixels(OPTIONS, one), pixels(replace(OPTIONS, seed=8), other))


def test_the_collection_levels_off() -> None:
    assert len(night(replace(OPTIONS, count=100), 400)) <= 2.1 * 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count is out of range"),
        ({"size": 4}, "size is out of range"),
        ({"channels": 2}, "channels is out of range"),
        ({"corrupt": 0.9}, "corrupt is out of range"),
        ({"label_noise": float("nan")}, "label-noise is out of range"),
        ({"weights": {"happy": 1.0}}, "at least two expressions"),
        ({"weights": {"hapy": 1.0, "sad": 1.0}}, "did you mean 'happy'"),
        ({"weights": {"happy": -1.0, "sad": 1.0}}, "imbalance of happy"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EmotionError, match=message):
        replace(OPTIONS, **changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mold", "did you mean 'mild'"),
        ("hapy=2", "did you mean 'happy'"),
        ("happy=much", "label=number"),
    ],
)
def test_unreadable_imbalance_is_refused(text: str, message: str) -> None:
    with pytest.raises(EmotionError, match=message):
        imbalance(text)


def test_negative_night_is_refused() -> None:
    with pytest.raises(EmotionError, match="night is out of range"):
        night(OPTIONS, -1)
