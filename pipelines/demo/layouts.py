"""A night's faces as files, in the layouts that ingestion reads.

    class-folders    happy/face-000017.png
    split-folders    train/happy/face-000017.png
    fer2013-csv      fer2013.csv with the columns emotion, pixels and Usage (Goodfellow et al. 2013)

The first two either as folders or, with ``zipped``, inside one faces.zip; the table as it is or in
fer2013.zip.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import FER2013_CODES
from components.shared.serialization import digest
from components.shared.step import progress
from pipelines.demo.nights import Face, Options, content, pixels, recipe

_WHEN = (
    2026,
    1,
    1,
    0,
    0,
    0,
)  # of every file in an archive, so that the same night gives the same bytes
_COMPACT = zipfile.ZIP_STORED  # PNGs are compressed already


@dataclass(frozen=True)
class Planned:
    """A file to be.

    Attributes:
        recipe: two files with the same recipe have the same bytes.
        write: puts the bytes into a stream; takes the file that stands at its place now, if any.
    """

    recipe: str
    write: Callable[[IO[bytes], Path | None], None]


class Counter:
    """Prints how far a drawing is, about twice a second."""

    def __init__(self, total: int, unit: str = "faces") -> None:
        self._total, self._unit, self._done = total, unit, 0
        self._began = self._shown = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown >= 0.5 or self._done == self._total:
            self._shown = now
            progress.show(self._done, self._total, self._unit, f"{now - self._began:.1f} s")


LAYOUTS: dict[str, Callable[[Face], str]] = {
    "class-folders": lambda face: f"{face.label}/face-{face.index:06d}.png",
    "split-folders": lambda face: f"{face.split}/{face.label}/face-{face.index:06d}.png",
    "fer2013-csv": lambda face: "fer2013.csv",
}


def plan(options: Options, faces: list[Face], layout: str, zipped: bool) -> dict[str, Planned]:
    """Files by their path inside the output folder.

    Raises:
        InputError: no such layout, or colour asked of the table, which holds gray only.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    if layout == "fer2013-csv":
        if options.channels != 1:
            raise InputError(
                "fer2013-csv holds gray pictures only",
                expected="--channels 1",
                received=f"--channels {options.channels}",
            )
        return _table(options, faces, zipped)
    name = LAYOUTS[layout]
    if zipped:
        return {"faces.zip": _archive(options, {name(face): face for face in faces})}
    return {name(face): Planned(recipe(options, face), _one(options, face)) for face in faces}


def _one(options: Options, face: Face) -> Callable[[IO[bytes], Path | None], None]:
    def write(stream: IO[bytes], now: Path | None) -> None:
        stream.write(content(options, face))

    return write


def _archive(options: Options, faces: Mapping[str, Face]) -> Planned:
    """One zip; each entry's comment is its recipe, so that the next night can copy what stays."""
    recipes = {name: recipe(options, face) for name, face in faces.items()}

    def write(stream: IO[bytes], now: Path | None) -> None:
        kept = _kept(now, recipes)
        counter = Counter(len(faces))
        with zipfile.ZipFile(stream, "w", _COMPACT) as archive:
            for name, face in faces.items():
                entry = zipfile.ZipInfo(name, _WHEN)
                entry.comment = recipes[name].encode()
                archive.writestr(entry, kept[name] if name in kept else content(options, face))
                counter.step()

    return Planned(digest(recipes), write)


def _kept(now: Path | None, recipes: Mapping[str, str]) -> dict[str, bytes]:
    """Entries of the archive as it stands that are wanted again."""
    if now is None:
        return {}
    try:
        with zipfile.ZipFile(now) as archive:
            return {
                entry.filename: archive.read(entry)
                for entry in archive.infolist()
                if recipes.get(entry.filename) == entry.comment.decode()
            }
    except zipfile.BadZipFile:
        return {}  # drawn again


def _table(options: Options, faces: list[Face], zipped: bool) -> dict[str, Planned]:
    identity = digest([recipe(options, face) for face in faces])

    def write(stream: IO[bytes], now: Path | None) -> None:
        for line in _lines(options, faces):
            stream.write(line)

    def write_zip(stream: IO[bytes], now: Path | None) -> None:
        with (
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(zipfile.ZipInfo("fer2013.csv", _WHEN), "w") as inner,
        ):
            buffered = io.BufferedWriter(inner, 1 << 20)  # type: ignore[arg-type]
            for line in _lines(options, faces):
                buffered.write(line)
            buffered.flush()

    return (
        {"fer2013.zip": Planned(identity, write_zip)}
        if zipped
        else {"fer2013.csv": Planned(identity, write)}
    )


def _lines(options: Options, faces: list[Face]) -> Iterator[bytes]:
    counter = Counter(len(faces))
    yield b"emotion,pixels,Usage\n"
    for face in faces:
        # FER2013 publishes two test splits; every other test face goes to each.
        usage = (
            "Training" if face.split == "train" else ("PublicTest", "PrivateTest")[face.index % 2]
        )
        yield f"{FER2013_CODES.index(face.label)},{_row(options, face)},{usage}\n".encode()
        counter.step()


def _row(options: Options, face: Face) -> str:
    if face.flaw != "corrupt":
        return " ".join(map(str, pixels(options, face).ravel().tolist()))
    return ("", "not a picture", "12 34 56")[face.index % 3]
