"""The store on a PersistentVolumeClaim.

A folder where pods mount it, known to others by its pvc:// URI.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.errors import ConflictError, EnvironmentProblem, InputError
from components.shared.store.interface import CLAIMS, claim_of, open_store


def test_a_claim_is_a_folder_and_its_uri_is_what_others_are_told(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    store = open_store("pvc://faces/emotion/", tmp_path)
    store.write("runs/a/x.json", b"1")
    store.compare_and_set("champion", None, b"one")
    with pytest.raises(ConflictError):
        store.compare_and_set("champion", None, b"two")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(b"{}")
    store.put_tree(tmp_path / "model", "models/m/versions/v", "model.json")
    assert store.uri == "pvc://faces/emotion"
    assert store.location("models/m/versions/v") == "pvc://faces/emotion/models/m/versions/v"
    here = open_store(str(tmp_path / "faces" / "emotion"))
    assert here.read("runs/a/x.json") == b"1"
    assert (
        list(here.list(""))
        == list(store.list(""))
        == ["champion", "models/m/versions/v/model.json", "runs/a/x.json"]
    )
    assert (
        store.get_tree("models/m/versions/v", "model.json", tmp_path)
        == tmp_path / "faces" / "emotion" / "models/m/versions/v"
    )


def test_a_whole_claim_may_be_the_store(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    store = open_store("pvc://faces", tmp_path)
    store.write("champion", b"one")
    assert (tmp_path / "faces" / "champion").read_bytes() == b"one"
    assert store.location("champion") == "pvc://faces/champion"


def test_a_claim_that_is_not_mounted_is_never_made_up(tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentProblem,
        match=(
            r"the claim faces isn't mounted here; expected its volume at .*/faces; received pvc://"
        ),
    ):
        open_store("pvc://faces/emotion", tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EnvironmentProblem, match=f"at {CLAIMS}/no-such-claim-anywhere"):
        open_store("pvc://no-such-claim-anywhere")


@pytest.mark.parametrize(
    "uri",
    [
        "pvc://",
        "pvc:///a",
        "pvc://A/b",
        "pvc://a_b",
        "pvc://-a",
        f"pvc://{'a' * 64}",
        "pvc://a//b",
        "pvc://a/../b",
        "pvc://a/..",
        "pvc://a/./b",
        "pvc://../etc",
        "pvc://a\n",
    ],
)
def test_what_names_no_claim(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError, match="names no folder of a claim; expected pvc://CLAIM"):
        open_store(uri, tmp_path)


def test_the_claim_of_a_uri() -> None:
    assert [
        claim_of(uri)
        for uri in ("pvc://faces", "pvc://faces/", "pvc://faces-2/a/b.c", "gs://b/c", "/a/b", "")
    ] == [
        "faces",
        "faces",
        "faces-2",
        "",
        "",
        "",
    ]
