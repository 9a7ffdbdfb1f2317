from __future__ import annotations

import pytest

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.labels import FER2013_CODES, TAXONOMIES, Taxonomy, taxonomy


def test_the_seven_basic_labels_are_in_the_order_of_the_outputs() -> None:
    assert taxonomy("basic-7").labels == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert sorted(FER2013_CODES) == sorted(taxonomy("basic-7").labels)


@pytest.mark.parametrize(("name", "label"), [("Happy", "happy"), (" anger ", "angry"), ("SURPRISED", "surprise")])
def test_other_spellings_mean_their_label(name: str, label: str) -> None:
    assert TAXONOMIES["basic-7"].label_of(name) == label


def test_a_left_out_class_has_no_label() -> None:
    assert Taxonomy(("happy", "sad"), left_out=("contempt",)).label_of("Contempt") is None


def test_an_unmapped_name_lists_the_names_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown class 'hapy'; expected one of .*neutral.*did you mean 'happy'"):
        TAXONOMIES["basic-7"].label_of("hapy")


def test_a_taxonomy_needs_two_labels() -> None:
    with pytest.raises(InputError, match="at least two"):
        Taxonomy(("happy",))
