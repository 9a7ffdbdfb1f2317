"""Layout `split/class/image` or `class/image`, with or without a wrapper folder around all of it."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.labels import Taxonomy
from components.ingestion.sources.layouts import BATCH_BYTES, BATCH_ROWS, SPLIT_NAMES, Reading, Record, Refusal
from components.ingestion.sources.places import Entry, ObjectUnreadable, Place

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"})


@dataclass(frozen=True)
class Item:
    """One object and what its path says. ``refusal`` is known without reading it."""

    entry: Entry
    class_name: str
    label: str
    published_split: str
    left_out: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True)
class FileBatch:
    """See `components.ingestion.sources.layouts.Batch`."""

    first: int
    items: tuple[Item, ...]

    @property
    def rows(self) -> int:
        return len(self.items)

    @property
    def bytes(self) -> int:
        return sum(item.entry.size for item in self.items)

    def records(self, place: Place, max_bytes: int) -> Iterator[Record]:
        for item in self.items:
            yield Record(_text(item.entry.name), item.label, item.published_split, _content(item, place, max_bytes), item.left_out)


class ClassFolders:
    """See `components.ingestion.sources.layouts.Layout`."""

    name = "class-folders"

    def __init__(self, uri: str, objects: Sequence[Entry], taxonomy: Taxonomy) -> None:
        self.uri = uri
        self.objects = tuple(objects)
        self.taxonomy = taxonomy
        self.unknown: Counter[str] = Counter()
        self.items = self._items()

    @classmethod
    def found_in(cls, place: Place, entries: Sequence[Entry], taxonomy: Taxonomy) -> ClassFolders | None:
        images = [entry for entry in entries if _is_image(entry.name)]
        return cls(place.uri, images, taxonomy) if images else None

    def check(self) -> None:
        if self.unknown:
            raise self._unknown_classes()
        usable = [item for item in self.items if item.refusal is None]
        if not usable:
            raise InputError(
                f"{self.uri} holds {len(self.items):,} images but no class folders",
                expected=f"split/class/image or class/image, with the classes {', '.join(self.taxonomy.labels)}",
                received=f"paths such as {self.objects[0].name[:80]}",
            )
        labels = Counter(item.label for item in usable if not item.left_out)
        if len(labels) < 2:
            only = ", ".join(f"{label} ({count:,} images)" for label, count in labels.items()) or "none that is used"
            raise InputError(
                f"{self.uri} holds one class only", expected="at least two classes", received=only, fix="add images of other classes"
            )
        if not any(item.published_split in ("", "train") for item in usable):
            found = ", ".join(sorted({item.published_split for item in usable}))
            raise InputError(f"{self.uri} holds no training images", expected="a folder train/", received=f"only {found}")

    def reading(self, place: Place, scratch: Path) -> Reading:
        batches: list[FileBatch] = []
        waiting: list[Item] = []
        size = first = 0
        for item in self.items:
            if waiting and (len(waiting) >= BATCH_ROWS or size + item.entry.size > BATCH_BYTES):
                batches.append(FileBatch(first, tuple(waiting)))
                first, waiting, size = first + len(waiting), [], 0
            waiting.append(item)
            size += item.entry.size
        batches.append(FileBatch(first, tuple(waiting)))
        published = Counter(item.published_split for item in self.items if item.published_split)
        return Reading(tuple(batches), dict(published))

    def _items(self) -> tuple[Item, ...]:
        paths = [_parts(entry.name) for entry in self.objects]
        wrapper = _wrapper_length([path[:-1] for path in paths if path and len(path) > 1], self._is_meant)
        seen: set[str] = set()
        items = []
        for entry, path in zip(self.objects, paths, strict=True):
            items.append(self._item(entry, path, wrapper, again=entry.name in seen))
            seen.add(entry.name)
        return tuple(items)

    def _item(self, entry: Entry, path: tuple[str, ...] | None, wrapper: int, *, again: bool) -> Item:
        if path is None:
            return Item(entry, "", "", "", refusal=Refusal("unsafe-path", "the path is absolute or leads out of the source"))
        if again:
            return Item(entry, "", "", "", refusal=Refusal("duplicate-path", "the archive holds this path twice; the first one is used"))
        folders = path[wrapper:-1]
        split = SPLIT_NAMES.get(folders[0].strip().lower(), "") if folders else ""
        folders = folders[1:] if split else folders
        if not folders:
            return Item(entry, "", "", split, refusal=Refusal("no-class-folder", "the image stands outside the class folders"))
        try:
            label = self.taxonomy.label_of(folders[0])
        except UnknownNameError:
            self.unknown[folders[0]] += 1
            return Item(entry, folders[0], "", split, refusal=Refusal("unknown-class", folders[0]))
        return Item(entry, folders[0], label or folders[0].strip().lower(), split, left_out=label is None)

    def _is_meant(self, folder: str) -> bool:
        """Whether a folder's name is a split or a class, so not part of a wrapper."""
        if folder.strip().lower() in SPLIT_NAMES:
            return True
        try:
            self.taxonomy.label_of(folder)
        except UnknownNameError:
            return False
        return True

    def _unknown_classes(self) -> InputError:
        known = [*self.taxonomy.labels, *self.taxonomy.aliases, *self.taxonomy.left_out, *SPLIT_NAMES]
        parts = []
        for name, count in sorted(self.unknown.items()):
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            parts.append(f"{_text(name)[:60]!r} ({count:,} images" + (f"; did you mean {near[0]!r}?)" if near else ")"))
        return InputError(
            f"{self.uri} has folders that are no known class: {', '.join(parts)}",
            expected=f"classes among {', '.join(self.taxonomy.labels)}",
            fix="rename these folders, or add an alias to the taxonomy",
        )


def _is_image(name: str) -> bool:
    path = name.replace("\\", "/")
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in path.split("/"))
    return not hidden and os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


def _parts(name: str) -> tuple[str, ...] | None:
    """The folders and the file name of a path, or None for one that leads out of its source."""
    path = name.replace("\\", "/")  # archives made on Windows
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", path):
        return None
    return tuple(part for part in parts if part not in ("", "."))


def _wrapper_length(folders: Sequence[tuple[str, ...]], is_meant: Callable[[str], bool]) -> int:
    """How many leading folders all images share that mean neither a split nor a class."""
    length = 0
    # What the first and the last in order share, all share.
    for one, other in zip(min(folders, default=()), max(folders, default=()), strict=False):
        if one != other or is_meant(one):
            break
        length += 1
    return length


def _content(item: Item, place: Place, max_bytes: int) -> bytes | Refusal:
    if item.refusal is not None:
        return item.refusal
    if item.entry.size > max_bytes:
        return Refusal("too-large", f"{item.entry.size:,} bytes, at most {max_bytes:,} are read")
    try:
        return place.read(item.entry)
    except ObjectUnreadable as error:
        return Refusal("unreadable", str(error))


def _text(name: str) -> str:
    """A name as valid Unicode: a disk may hold names that aren't."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
