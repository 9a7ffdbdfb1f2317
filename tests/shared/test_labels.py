from __future__ import annotations

import pytest

from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import FER2013_CODES, TAXONOMIES, Taxonomy, taxonomy


def test_the_seven_basic_labels_are_in_the_order_of_the_outputs() -> None:
    assert taxonomy("basic-7").labels == (
        "angry",
        "disgust",
        "fear",
        "happy",
        "neutral",
        "sad",
        "surprise",
    )
    assert sorted(FER2013_CODES) == sorted(taxonomy("basic-7").labels)


@pytest.mark.parametrize(
    ("name", "label"), [("Happy", "happy"), (" anger ", "angry"), ("SURPRISED", "surprise")]
)
def test_other_spellings_mean_their_label(name: str, label: str) -> None:
    assert TAXONOMIES["basic-7"].label_of(name) == label


def test_a_left_out_class_has_no_label() -> None:
    assert Taxonomy(("happy", "sad"), left_out=("contempt",)).label_of("Contempt") is None


def test_an_unmapped_name_lists_the_names_and_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match="unknown class 'hapy'; expected one of .*neutral.*did you mean 'happy'",
    ):
        TAXONOMIES["basic-7"].label_of("hapy")


def test_a_taxonomy_needs_two_labels() -> None:
    with pytest.raises(InputError, match="at least two"):
        Taxonomy(("happy",))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "basic-8",
            ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
        ),
        ("emotion-6", ("angry", "disgust", "fear", "happy", "sad", "surprise")),
        ("emotion-5", ("happy", "angry", "neutral", "sad", "surprise")),
        ("happy-binary", ("not-happy", "happy")),
    ],
)
def test_other_label_sets_use_or_leave_out_every_emotion(
    name: str, labels: tuple[str, ...]
) -> None:
    chosen = taxonomy(name)
    assert chosen.labels == labels
    for emotion in TAXONOMIES["basic-8"].labels:
        wanted = emotion if emotion in labels else "not-happy" if name == "happy-binary" else None
        assert chosen.label_of(emotion) == wanted
    assert chosen.label_of("Unknown") is chosen.label_of("NF") is None


def test_a_source_may_call_its_classes_what_it_likes() -> None:
    own = TAXONOMIES["basic-7"].with_classes({"1": "surprised", "fear": "", "Glad": "happy"})
    assert (own.label_of("1"), own.label_of("fear"), own.label_of("glad"), own.label_of("sad")) == (
        "surprise",
        None,
        "happy",
        "sad",
    )
    with pytest.raises(UnknownNameError, match="did you mean 'happy'"):
        TAXONOMIES["basic-7"].with_classes({"1": "hapy"})
