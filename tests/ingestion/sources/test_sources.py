"""Every layout in every kind of place, several sources joined, votes, and what is known of a row without reading it."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import requests

from components.ingestion.sources.detection import detect
from components.ingestion.sources.layouts.votes import ANSWERS, Votes, VoteTable
from components.ingestion.sources.storage import tar_archive
from components.ingestion.sources.storage.kaggle import open_kaggle
from components.ingestion.sources.storage.open import localized, open_place, open_single
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.labels import taxonomy
from components.shared.preset import Source, VotesPolicy
from components.shared.preset.sources import joined_uri, separate_uris
from components.shared.retry import Retry
from tests.ingestion.support import (
    Bench,
    Row,
    as_folder,
    as_zip,
    bench,
    class_folders,
    csv_row,
    face,
    rows_read,
)

HEADER = "emotion,pixels,Usage"


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def as_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def records(source: object, scratch: Path) -> list[Row]:
    place = localized(open_single(str(source)), scratch)
    return rows_read(detect(open_single(str(source)), taxonomy("basic-7")), place, scratch)


@pytest.mark.parametrize(
    "splits",
    [("train", "test"), ("training", "validation", "testing"), ("Train", "val", "Test"), ("",)],
)
@pytest.mark.parametrize(
    "form", ["faces.tar", "faces.tar.gz", "faces.tgz", "faces.tar.bz2", "faces.tar.xz", "faces.zip"]
)
def test_an_archive_is_read_as_the_folder_of_it(
    tmp_path: Path, form: str, splits: tuple[str, ...]
) -> None:
    files = class_folders(splits)
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(
        form.rpartition(".")[2], "w"
    )
    path = (
        as_zip(tmp_path / form, files)
        if form.endswith(".zip")
        else as_tar(tmp_path / form, files, mode)
    )
    (tmp_path / "scratch").mkdir()
    read = records(path, tmp_path / "scratch")
    folder = records(as_folder(tmp_path / "faces", files), tmp_path)
    assert [(row.key, row.label, row.published_split, row.content) for row in read] == [
        (row.key, row.label, row.published_split, row.content) for row in folder
    ]
    assert len(read) == len(files)


def test_a_csv_in_a_compressed_tar_is_read(night: Bench, tmp_path: Path) -> None:
    rows = [csv_row(index % 2 + 3, index) for index in range(20)]
    assert (
        night.ingest(
            as_tar(
                tmp_path / "fer.tar.gz",
                {"fer2013/fer2013.csv": "\n".join([HEADER, *rows]).encode()},
                "w:gz",
            )
        )
        == 0
    )
    assert (night.findings()["layout"], night.findings()["accepted"]) == ("fer2013-csv", 20)


@pytest.mark.parametrize("form", ["faces.tar", "faces.tar.gz"])
def test_a_half_written_tar_is_refused(
    night: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    path = as_tar(tmp_path / form, class_folders(), "w:gz" if form.endswith("gz") else "w")
    path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 2 // 512 * 512])
    assert night.resolve(path) == 2
    assert "isn't a tar archive" in capfd.readouterr().err


def test_a_tar_bomb_is_refused_while_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_archive, "GROWTH_FROM_BYTES", 1_000_000)
    path = as_tar(tmp_path / "bomb.tar.gz", {"train/happy/1.png": bytes(30_000_000)}, "w:gz")
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        open_single(str(path)).entries()


@pytest.mark.parametrize("form", ["folder", "zip", "alone"])
@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_manifest_names_images_labels_and_splits(
    night: Bench, tmp_path: Path, form: str, name: str
) -> None:
    files = {
        f"pictures/{index}.png": face("happy" if index % 2 else "sad", index) for index in range(10)
    }
    rows = [
        {
            "uri": uri,
            "label": "Happiness" if index % 2 else "sad",
            "split": "test" if index > 6 else "training",
        }
        for index, uri in enumerate(files)
    ]
    rows += [
        {"uri": "pictures/none.png", "label": "sad", "split": ""},
        {"uri": "../up.png", "label": "sad", "split": ""},
        {"uri": "/etc/up.png", "label": "sad", "split": ""},
        {"uri": "pictures/0.png", "label": "happy", "split": ""},
        {"uri": "pictures/1.png", "label": "sad", "split": "holiday"},
    ]
    if name.endswith("csv"):
        stream = io.StringIO()
        writer = csv.DictWriter(stream, ["uri", "label", "split"])
        writer.writeheader()
        writer.writerows(rows)
        files[name] = stream.getvalue().encode()
    else:
        files[name] = "\n".join(map(json.dumps, rows)).encode()
    source = (
        as_zip(tmp_path / "faces.zip", files)
        if form == "zip"
        else as_folder(tmp_path / "faces", files)
    )
    assert night.ingest(source / name if form == "alone" else source) == 0
    assert night.findings()["layout"] == "manifest"
    assert {row["source_uri"]: row["label"] for row in night.rows()} == {
        f"pictures/{index}.png": "happy" if index % 2 else "sad" for index in range(10)
    }
    assert night.findings()["published_counts"] == {"train": 7, "test": 3}
    assert list(night.rejected().values()) == [
        "vanished",
        "unsafe-path",
        "unsafe-path",
        "duplicate-path",
        "unknown-split",
    ]


def test_a_manifest_may_give_full_paths_into_its_folder(night: Bench, tmp_path: Path) -> None:
    folder = as_folder(
        tmp_path / "faces",
        {f"{index}.png": face("sad" if index % 2 else "fear", index) for index in range(8)},
    )
    rows = [f"{folder}/{index}.png,{'sad' if index % 2 else 'fear'}" for index in range(8)]
    (folder / "list.csv").write_text("\n".join(["uri,label", *rows, f"{tmp_path}/out.png,sad"]))
    assert night.ingest(folder / "list.csv") == 0
    assert {row["source_uri"] for row in night.rows()} == {f"{index}.png" for index in range(8)}
    assert list(night.rejected().values()) == ["unsafe-path"]


def test_unknown_names_of_a_manifest_are_listed_with_the_nearest(
    night: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = as_folder(
        tmp_path / "faces", {"1.png": face("sad", 1), "list.csv": b"uri,label\n1.png,hapy\n"}
    )
    assert night.resolve(folder) == 2
    assert (
        "names unknown classes: 'hapy' (1 images; did you mean 'happy'?)" in capfd.readouterr().err
    )


def test_sources_are_joined_under_one_taxonomy(tmp_path: Path) -> None:
    more = as_zip(
        tmp_path / "more.zip", {f"1/{index}.png": face("happy", 500 + index) for index in range(5)}
    )
    first = as_folder(tmp_path / "first", class_folders())
    night = bench(tmp_path, sources=(Source(str(first)), Source(str(more), classes={"1": "happy"})))
    assert night.ingest("") == 0
    rows = night.rows()
    assert {(row["source"], row["source_uri"].split("/")[0]) for row in rows} == {
        ("first", "first"),
        ("more", "more"),
    }
    assert {row["label"] for row in rows if row["source"] == "more"} == {"happy"}
    # Only `first` publishes a test split: `more` adds none to it.
    assert {row["split"] for row in rows if row["source"] == "more"} <= {"train", "validation"}
    assert sum(night.findings()["counts"]["test"].values()) == 8
    assert [(source.name, source.objects) for source in night.plan().listing.sources] == [
        ("first", 16),
        ("more", 5),
    ]
    assert night.plan().listing.source_id.startswith("first-and-1-more-")


def test_several_uris_travel_as_one_string_and_are_the_same_set_in_any_order(
    night: Bench, tmp_path: Path
) -> None:
    files = class_folders()
    parts = {
        split: {name: content for name, content in files.items() if name.startswith(split)}
        for split in ("train", "test")
    }
    uris = [str(as_zip(tmp_path / f"{split}.zip", part)) for split, part in parts.items()]
    assert separate_uris(joined_uri(uris)) == tuple(uris)
    assert night.ingest(joined_uri(uris)) == 0
    assert night.findings()["published_counts"] == {"train": 8, "test": 8}
    first = night.plan().listing.source_id
    assert night.resolve(joined_uri(uris[::-1]), run="r2") == 0
    assert night.plan().listing.source_id == first


@pytest.mark.parametrize(
    ("source", "message"),
    [('["a.zip", ', "can't be read"), ("[]", "can't be read"), ('["x", "x"]', "named twice")],
)
def test_a_bad_list_of_sources_ends_in_one_line(
    night: Bench, capfd: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    assert night.resolve(source) == 2
    assert message in capfd.readouterr().err


def ballot(**votes: int) -> tuple[int, ...]:
    return tuple(votes.get(answer, 0) for answer in ANSWERS)


@pytest.mark.parametrize(
    ("votes", "name", "label", "left_out"),
    [
        ({"happiness": 8, "neutral": 2}, "basic-8", "happy", False),
        ({"happiness": 9, "sadness": 1}, "basic-8", "happy", False),
        ({"happiness": 5, "neutral": 5}, "basic-8", "no-majority", True),
        ({"happiness": 4, "neutral": 3, "fear": 3}, "basic-8", "no-majority", True),
        ({"unknown": 7, "happiness": 3}, "basic-8", "unknown", True),
        ({"nf": 10}, "basic-8", "not-a-face", True),
        ({"contempt": 10}, "basic-8", "contempt", False),
        ({"contempt": 10}, "basic-7", "contempt", True),
        ({"sadness": 3, "anger": 3, "happiness": 4}, "happy-binary", "not-happy", False),
        (dict.fromkeys(ANSWERS, 1), "basic-8", "no-majority", True),
    ],
)
def test_the_majority_of_the_votes_is_the_label(
    votes: dict[str, int], name: str, label: str, left_out: bool
) -> None:
    table = VoteTable("votes.csv", "", (ballot(**votes),), {}, ())
    opinion = Votes(table, VotesPolicy(), taxonomy(name)).of_row(0)
    assert (opinion.label, opinion.left_out) == (label, left_out)
    assert not opinion.distribution or sum(opinion.distribution) == pytest.approx(1)


def votes_csv(rows: list[tuple[str, str, dict[str, int]]]) -> bytes:
    lines = ["Usage,Image name," + ",".join(ANSWERS[:-1]) + ",NF"]
    lines += [",".join([usage, name, *map(str, ballot(**votes))]) for usage, name, votes in rows]
    return "\n".join(lines).encode()


def test_votes_label_a_csv_row_by_row(tmp_path: Path) -> None:
    rows = [csv_row(0, index, "Training" if index < 8 else "PublicTest") for index in range(10)]
    (tmp_path / "fer.csv").write_text("\n".join([HEADER, *rows, csv_row(0, 99, "PrivateTest")]))
    said = [("Training", "", {"nf": 10})] + [
        (
            "Training" if index < 8 else "PublicTest",
            f"fer{index:07}.png",
            {"happiness" if index % 2 else "sadness": 8, "neutral": 2},
        )
        for index in range(1, 10)
    ]
    (tmp_path / "votes.csv").write_bytes(votes_csv(said))
    night = bench(tmp_path, taxonomy="basic-8", votes=VotesPolicy())
    assert night.ingest(joined_uri([str(tmp_path / "fer.csv"), str(tmp_path / "votes.csv")])) == 0
    labels = [row["label"] for row in night.rows()]
    assert labels == ["not-a-face", *(["happy", "sad"] * 5)[:9], "no-votes"]
    shares = night.rows()[1]["label_distribution"]
    assert shares[night.preset.data.labels.index("happy")] == pytest.approx(0.8)
    assert {row["split"] for row in night.rows() if row["label"] in ("not-a-face", "no-votes")} == {
        "left-out"
    }


def test_votes_on_other_rows_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fer.csv").write_text(
        "\n".join([HEADER, csv_row(0, 1, "Training"), csv_row(1, 2, "PublicTest")])
    )
    (tmp_path / "votes.csv").write_bytes(
        votes_csv([("PublicTest", "", {"nf": 10}), ("Training", "", {"nf": 10})])
    )
    night = bench(tmp_path, taxonomy="basic-8", votes=VotesPolicy())
    assert night.ingest(joined_uri([str(tmp_path / "fer.csv"), str(tmp_path / "votes.csv")])) == 2
    assert "aren't on the rows of fer.csv; expected row 1 in test" in capfd.readouterr().err


def test_votes_beside_folders_tell_images_by_their_names(tmp_path: Path) -> None:
    said = [
        ("", f"{name}/{index}.png", {"fear" if index % 2 else "surprise": 10})
        for name in ("a", "b")
        for index in range(5)
    ]
    files = {name: face("happy", number) for number, (_, name, _) in enumerate(said)} | {
        "a/more.png": face("sad", 9)
    }
    night = bench(tmp_path, taxonomy="basic-8", votes=VotesPolicy())
    assert (
        night.ingest(
            as_zip(
                tmp_path / "faces.zip",
                {
                    **{f"x/{name}": content for name, content in files.items()},
                    "v.csv": votes_csv(said),
                },
            )
        )
        == 0
    )
    assert {row["source_uri"]: row["label"] for row in night.rows()} == {
        **{f"x/{name}": next(iter(votes)) for _, name, votes in said},
        "x/a/more.png": "no-votes",
    }


@pytest.mark.parametrize(
    ("policy", "message"), [(VotesPolicy(), "without a table of votes"), (None, "one class only")]
)
def test_a_policy_of_votes_needs_votes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], policy: VotesPolicy | None, message: str
) -> None:
    night = bench(tmp_path, taxonomy="basic-8", votes=policy)
    assert night.resolve(as_zip(tmp_path / "faces.zip", class_folders(labels=("happy",)))) == 2
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "csv"])
def test_a_fingerprint_stays_and_a_change_makes_another(tmp_path: Path, form: str) -> None:
    def written(each: dict[str, bytes]) -> Path:
        if form == "csv":
            (tmp_path / "fer.csv").write_text(
                "\n".join(
                    [
                        HEADER,
                        *(csv_row(3 + index % 2, len(c)) for index, c in enumerate(each.values())),
                    ]
                )
            )
            return tmp_path / "fer.csv"
        return {"folder": as_folder, "zip": as_zip, "tar": as_tar}[form](
            tmp_path / f"faces.{form}", each
        )

    files = class_folders()
    before = records(written(files), tmp_path)
    marks = [record.fingerprint for record in before]
    assert all(marks)
    again = records(written(files) if form != "folder" else tmp_path / "faces.folder", tmp_path)
    assert [record.fingerprint for record in again] == marks
    files["train/sad/1.png"] = face("sad", 4321) + b"more"
    if form == "folder":
        (tmp_path / "faces.folder/train/sad/1.png").write_bytes(files["train/sad/1.png"])
        after = records(tmp_path / "faces.folder", tmp_path)
    else:
        after = records(written(files), tmp_path)
    assert len({record.fingerprint for record in after} - set(marks)) == 1


def test_a_file_touched_without_another_size_is_read_again(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "faces", class_folders())
    known = {record.fingerprint for record in records(folder, tmp_path)}
    os.utime(folder / "train/sad/1.png", ns=(1, 1))
    assert [
        record.key for record in records(folder, tmp_path) if record.fingerprint not in known
    ] == ["train/sad/1.png"]


class Kaggle:
    """Kaggle's client with a data set in its cache."""

    def __init__(self, folder: Path, credentials: object = "token") -> None:
        self.folder = folder
        self.credentials = credentials
        self.asked: list[str] = []

    def get_kaggle_credentials(self) -> object:
        return self.credentials

    def dataset_download(self, handle: str) -> str:
        self.asked.append(handle)
        return str(self.folder)


def test_a_data_set_of_kaggle_is_a_folder_whose_files_change_with_its_version(
    tmp_path: Path,
) -> None:
    client = Kaggle(as_folder(tmp_path / "versions" / "3", class_folders()))
    place = open_kaggle("kaggle://owner/faces", client)
    before = place.entries()
    assert client.asked == ["owner/faces"]
    assert {entry.checksum for entry in before} == {"version:3"}
    assert detect(place, taxonomy("basic-7")).objects == 16


class BrokenKaggle(Kaggle):
    """Kaggle's client, whose downloads fail at first."""

    def __init__(self, folder: Path, *failures: Exception) -> None:
        super().__init__(folder)
        self.failures = list(failures)

    def dataset_download(self, handle: str) -> str:
        fetched = super().dataset_download(handle)
        if self.failures:
            raise self.failures.pop(0)
        return fetched


def answered(status: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} Error", response=answer)


def test_what_passes_at_kaggle_is_waited_for_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, soon = (
        as_folder(tmp_path / "versions" / "3", class_folders()),
        Retry(deadline_seconds=0.2, first_wait_seconds=0.01),
    )
    failures = [
        answered(503),
        answered(429),
        requests.ConnectionError("reset"),
        requests.Timeout("late"),
    ]
    client = BrokenKaggle(folder, *failures)
    assert open_kaggle("kaggle://owner/faces", client, soon).root == folder
    assert len(client.asked) == 5
    assert capfd.readouterr().err.count("can't fetch kaggle://owner/faces: ") == 4
    for failure, problem in (
        (answered(404), InputError),
        (answered(403), InputError),
        (answered(400), EnvironmentProblem),
    ):
        client = BrokenKaggle(folder, failure)
        with pytest.raises(problem):
            open_kaggle("kaggle://owner/faces", client, soon)
        assert len(client.asked) == 1
    with pytest.raises(EnvironmentProblem, match="can't fetch kaggle://owner/faces: 503 Error"):
        open_kaggle("kaggle://owner/faces", BrokenKaggle(folder, *[answered(503)] * 1000), soon)


def test_kaggle_without_credentials_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentProblem, match="no credentials of Kaggle.*KAGGLE_API_TOKEN"):
        open_kaggle("kaggle://owner/faces", Kaggle(tmp_path, None))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no credentials of Kaggle"):
        open_place("kaggle://owner/faces")
    with pytest.raises(InputError, match="names no data set"):
        open_place("kaggle://faces")


def test_a_folder_on_a_claim_is_read_where_the_claim_is_mounted(tmp_path: Path) -> None:
    mounted = as_folder(tmp_path / "faces" / "raw", class_folders(("train",)))
    place = open_single("pvc://faces/raw", tmp_path)
    assert place.uri == str(mounted), "which is how later steps open it again"
    assert (
        {entry.name for entry in place.entries()}
        == {entry.name for entry in open_single(str(mounted)).entries()}
        != set()
    )
    with pytest.raises(InputError, match="there is no source at .*/faces/other"):
        open_single("pvc://faces/other", tmp_path)
    with pytest.raises(EnvironmentProblem, match="the claim elsewhere isn't mounted here"):
        open_place("pvc://elsewhere/raw")
