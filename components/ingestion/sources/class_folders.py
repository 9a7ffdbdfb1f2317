"""Layout `split/class/image` or `class/image`, with or without a wrapper folder around all of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.labels import Taxonomy
from components.ingestion.sources import paths
from components.ingestion.sources.files import Item, batches_of
from components.ingestion.sources.layouts import SPLIT_NAMES, Reading, Standing, listing_digest, refuse_hopeless
from components.ingestion.sources.places import Entry, ObjectPlace, Place
from components.ingestion.sources.votes import Votes

NESTED_ARCHIVE = "nested-archive"
_DETAILS = {
    "link": "the archive holds a link here, not a picture",
    "device": "the archive holds no file here",
    "link-outside": "the link leads out of the source",
    "broken-link": "the link leads nowhere",
    "not-a-file": "a pipe, a socket or a device",
    "vanished": "it went while the source was listed",
    NESTED_ARCHIVE: "an archive inside the source isn't opened: unpack it, or name it as a source of its own",
}


class ClassFolders:
    """See `components.ingestion.sources.layouts.Layout`.

    Args:
        objects: what counts, in the order of the names.
        votes: where the labels come from instead of the folders, which then needn't mean classes.
    """

    name = "class-folders"

    def __init__(self, uri: str, objects: Sequence[Entry], taxonomy: Taxonomy, votes: Votes | None = None, source: str = "") -> None:
        self.uri = uri
        self.objects = len(objects)
        self.bytes = sum(entry.size for entry in objects)
        self.digest = listing_digest(objects)
        self.voted = votes is not None
        self.taxonomy = taxonomy
        self._votes = votes
        self._example = objects[0].name
        self._unknown: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._usable_splits: set[str] = set()
        self._batches = batches_of(self._items(objects), source)

    @classmethod
    def of(
        cls, place: ObjectPlace, entries: Sequence[Entry], taxonomy: Taxonomy, votes: Votes | None = None, source: str = ""
    ) -> ClassFolders | None:
        """The place's images; archives beside them and linked folders count, so that they are told of. None without images."""
        found = [entry for entry in entries if _counts(entry) and not paths.is_hidden(entry.name)]
        return cls(place.uri, found, taxonomy, votes, source) if any(paths.is_image(entry.name) for entry in found) else None

    @property
    def standing(self) -> Standing | None:
        return Standing(self._labels, frozenset(self._usable_splits))

    def check_names(self) -> None:
        if self._unknown:
            raise self._unknown_classes()
        if not self._usable_splits:
            raise InputError(
                f"{self.uri} holds {self.objects:,} images but no class folders",
                expected=f"split/class/image or class/image, with the classes {', '.join(self.taxonomy.labels)}",
                received=f"paths such as {paths.readable(self._example)[:80]}",
            )

    def check(self) -> None:
        self.check_names()
        refuse_hopeless(self.uri, self.standing)

    def reading(self, place: Place, scratch: Path) -> Reading:
        return Reading(self._batches, {split: count for split, count in self._splits.items() if split})

    def _items(self, objects: Sequence[Entry]) -> Iterator[Item]:
        images = {entry.name.rpartition("/")[0] for entry in objects if paths.is_image(entry.name)}
        folders = {path[:-1] for folder in images if (path := paths.parts(f"{folder}/image"))}
        wrapper = _wrapper_length([folder for folder in folders if folder], self._is_meant)
        meant: dict[tuple[str, ...], Item] = {}  # what a folder says of every image in it
        before = ""
        for entry in objects:
            path = paths.parts(entry.name)
            if path is None:
                item = Item(entry, reason="unsafe-path", detail="the path is absolute or leads out of the source")
            else:
                folder = path[:-1]
                if folder not in meant:
                    meant[folder] = self._meaning(folder[wrapper:], entry)
                item = _refused(entry, again=entry.name == before) or self._voted(meant[folder]._replace(entry=entry))
            before = entry.name
            self._count(item)
            yield item

    def _meaning(self, folders: tuple[str, ...], entry: Entry) -> Item:
        split = SPLIT_NAMES.get(folders[0].strip().lower(), "") if folders else ""
        folders = folders[1:] if split else folders
        if self._votes is not None:
            return Item(entry, published_split=split)
        if not folders:
            return Item(entry, published_split=split, reason="no-class-folder", detail="the image stands outside the class folders")
        try:
            label = self.taxonomy.label_of(folders[0])
        except UnknownNameError:
            return Item(entry, published_split=split, reason="unknown-class", detail=paths.readable(folders[0])[:200])
        return Item(entry, label or paths.readable(folders[0]).strip().lower(), split, left_out=label is None)

    def _voted(self, item: Item) -> Item:
        if self._votes is None or item.reason:
            return item
        opinion = self._votes.of_path(item.entry.name)
        return item._replace(label=opinion.label, left_out=opinion.left_out, distribution=opinion.distribution)

    def _count(self, item: Item) -> None:
        self._splits[item.published_split] += 1
        if item.reason == "unknown-class":
            self._unknown[item.detail] += 1
        elif not item.reason:
            self._usable_splits.add(item.published_split)
            if not item.left_out:
                self._labels[item.label] += 1

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
        return unknown_classes(
            f"{self.uri} has folders that are no known class", self._unknown, self.taxonomy, "rename these folders", SPLIT_NAMES
        )


def unknown_classes(happened: str, unknown: Counter[str], taxonomy: Taxonomy, fix: str, also_known: Collection[str] = ()) -> InputError:
    """The error that lists names without a meaning, how often each stands, and the nearest that has one."""
    known = [*taxonomy.labels, *taxonomy.aliases, *taxonomy.left_out, *also_known]
    told = []
    for name, count in sorted(unknown.items()):
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        told.append(f"{name[:60]!r} ({count:,} images" + (f"; did you mean {near[0]!r}?)" if near else ")"))
    more = f", and {len(told) - 20} more" if len(told) > 20 else ""
    return InputError(
        f"{happened}: {', '.join(told[:20])}{more}",
        expected=f"classes among {', '.join(taxonomy.labels)}",
        fix=f"{fix}, or say what they mean in the preset (`Source.classes`)",
    )


def _counts(entry: Entry) -> bool:
    return paths.is_image(entry.name) or paths.is_archive(entry.name) or entry.name.endswith("/")


def _refused(entry: Entry, *, again: bool) -> Item | None:
    """What needs no look at its folder."""
    if again:
        return Item(entry, reason="duplicate-path", detail="the archive holds this path twice; the first one is used")
    reason = entry.refusal or (NESTED_ARCHIVE if paths.is_archive(entry.name) else "")
    return Item(entry, reason=reason, detail=_DETAILS[reason]) if reason else None


def _wrapper_length(folders: Sequence[tuple[str, ...]], is_meant: Callable[[str], bool]) -> int:
    """How many leading folders all images share that mean neither a split nor a class."""
    length = 0
    # What the first and the last in order share, all share.
    for one, other in zip(min(folders, default=()), max(folders, default=()), strict=False):
        if one != other or is_meant(one):
            break
        length += 1
    return length
