"""Layout `split/class/image` or `class/image`, with or without a wrapper folder around all of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.sources.layouts.columns import (
    ending,
    listing_digest,
    parted,
    texts,
    whole,
)
from components.ingestion.sources.layouts.files import FileReader, rows_from
from components.ingestion.sources.layouts.layout import (
    SPLIT_NAMES,
    Reading,
    Standing,
    refuse_hopeless,
)
from components.ingestion.sources.layouts.votes import Opinion, Votes
from components.ingestion.sources.storage import paths
from components.ingestion.sources.storage.storage import ObjectPlace, Place
from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import Taxonomy

NESTED_ARCHIVE = "nested-archive"
DUPLICATE_PATH = "duplicate-path"
_DETAILS = {
    "unsafe-path": "the path is absolute or leads out of the source",
    DUPLICATE_PATH: "the archive holds this path twice; the first one is used",
    "link": "the archive holds a link here, not a picture",
    "device": "the archive holds no file here",
    "link-outside": "the link leads out of the source",
    "broken-link": "the link leads nowhere",
    "not-a-file": "a pipe, a socket or a device",
    "vanished": "it went while the source was listed",
    NESTED_ARCHIVE: (
        "an archive inside the source isn't opened: unpack it, or name it as a source of its own"
    ),
}


_ARCHIVES = paths.ending_with(paths.ARCHIVE_SUFFIXES)
# A file name with which a path may be hidden, odd or unsafe whatever its folder is.
_SPECIAL = r"^([.]|__MACOSX|$)|[\\:]"
_UNSAFE = "\0"  # stands for the folder of a path that leads out of the source


class Meaning(NamedTuple):
    """What a folder says of every image in it."""

    label: str = ""
    published_split: str = ""
    left_out: bool = False
    reason: str = ""
    detail: str = ""


_REFUSED = {reason: Meaning(reason=reason, detail=detail) for reason, detail in _DETAILS.items()}


class ClassFolders:
    """See `components.ingestion.sources.layouts.layout.Layout`.

    Args:
        objects: what counts, by name: rows of
            `components.ingestion.sources.layouts.columns.LISTED`, and whether each is an ``image``,
            or an ``archive``, by its name.
        votes: where the labels come from instead of the folders, which then needn't mean classes.
    """

    name = "class-folders"

    def __init__(
        self,
        place: ObjectPlace,
        objects: pa.Table,
        taxonomy: Taxonomy,
        votes: Votes | None = None,
        source: str = "",
    ) -> None:
        self.uri = place.uri
        self.objects = len(objects)
        self.bytes = pc.sum(objects["size"]).as_py()
        self.voted = votes is not None
        self.taxonomy = taxonomy
        self._votes = votes
        with ThreadPoolExecutor(1) as meanwhile:
            digest = meanwhile.submit(listing_digest, objects)
            self._rows = self._said(objects, source, place.origin)
        self.digest = digest.result()
        reason, split = self._rows["reason"], self._rows["published_split"]
        usable = self._rows.select(["label", "left_out", "published_split"]).filter(
            pc.equal(reason, "")
        )
        self._unknown = _tally(self._rows["detail"].filter(pc.equal(reason, "unknown-class")))
        self._labels = _tally(usable["label"].filter(pc.invert(usable["left_out"])))
        self._splits = _tally(split)
        self._usable_splits = frozenset(_tally(usable["published_split"]))

    @classmethod
    def of(
        cls,
        place: ObjectPlace,
        objects: pa.Table,
        taxonomy: Taxonomy,
        votes: Votes | None = None,
        source: str = "",
    ) -> ClassFolders | None:
        """Return the place's images.

        Archives beside them and linked folders count, so that they are told of. None without
        images.

        Args:
            objects: every one of the place: rows of
                `components.ingestion.sources.layouts.columns.LISTED`, and which are an ``image`` by
                name.
        """
        names, images = texts(objects["name"]), whole(objects["image"])
        archives = ending(names, _ARCHIVES, pc.invert(images))
        others = pc.or_(archives, pc.ends_with(names, "/"))
        folders, hidden = _folders(names, objects["name"])
        shown = pc.invert(hidden)
        if not pc.any(pc.and_(images, shown)).as_py():
            return None
        objects = objects.append_column("archive", archives).append_column("folder", folders)
        counted = pc.and_(pc.or_(images, others), shown)
        return cls(
            place,
            objects if pc.all(counted).as_py() else objects.filter(counted),
            taxonomy,
            votes,
            source,
        )

    @property
    def standing(self) -> Standing | None:
        """See `Layout.standing`."""
        return Standing(self._labels, self._usable_splits)

    def check_names(self) -> None:
        """See `Layout.check_names`."""
        if self._unknown:
            raise self._unknown_classes()
        if not self._usable_splits:
            raise InputError(
                f"{self.uri} holds {self.objects:,} images but no class folders",
                expected=(
                    "split/class/image or class/image, with the classes"
                    f" {', '.join(self.taxonomy.labels)}"
                ),
                received=f"paths such as {self._rows['key'][0].as_py()[:80]}",
            )

    def check(self) -> None:
        """See `Layout.check`."""
        self.check_names()
        refuse_hopeless(self.uri, self.standing)

    def reading(self, place: Place, scratch: Path) -> Reading:
        """See `Layout.reading`."""
        return Reading(
            self._rows,
            FileReader(),
            {split: count for split, count in self._splits.items() if split},
        )

    def _said(self, objects: pa.Table, source: str, origin: str) -> pa.Table:
        names = texts(objects["name"])
        column = whole(objects["folder"])
        folder, folders = column.indices, column.dictionary.to_pylist()
        images = folder.filter(whole(objects["image"])).unique().to_pylist()
        split = [tuple(text.split("/")) if text else () for text in folders]
        wrapper = _wrapper_length(
            [split[code] for code in images if folders[code] not in ("", _UNSAFE)], self._is_meant
        )
        meant = [
            _REFUSED["unsafe-path"] if path == (_UNSAFE,) else self._meaning(path[wrapper:])
            for path in split
        ]
        # What is refused for itself needs no look at its folder.
        refused = list(_REFUSED)
        own = pc.fill_null(pc.index_in(_own_refusal(names, objects), pa.array(refused)), -1)
        unsafe = pc.equal(pc.take(pa.array(folders), folder), _UNSAFE)
        which = pc.if_else(pc.or_(unsafe, pc.less(own, 0)), folder, pc.add(own, len(folders)))
        values = zip(*[*meant, *_REFUSED.values()], strict=True)
        said = {
            name: _chosen(column, which)
            for name, column in zip(Meaning._fields, values, strict=True)
        }
        if self._votes is not None:
            said |= self._voted(names, said)
        return rows_from(objects, source, origin, **said)

    def _meaning(self, folders: tuple[str, ...]) -> Meaning:
        split = SPLIT_NAMES.get(folders[0].strip().lower(), "") if folders else ""
        folders = folders[1:] if split else folders
        if self._votes is not None:
            return Meaning(published_split=split)
        if not folders:
            return Meaning(
                published_split=split,
                reason="no-class-folder",
                detail="the image stands outside the class folders",
            )
        try:
            label = self.taxonomy.label_of(folders[0])
        except UnknownNameError:
            return Meaning(published_split=split, reason="unknown-class", detail=folders[0][:200])
        return Meaning(label or folders[0].strip().lower(), split, label is None)

    def _voted(self, names: pa.Array, said: dict[str, pa.Array]) -> dict[str, list[object]]:
        opinions = [
            (
                self._votes.of_path(name)
                if self._votes is not None and not reason
                else Opinion("", left_out=False)
            )
            for name, reason in zip(names.to_pylist(), said["reason"].to_pylist(), strict=True)
        ]
        return {
            "label": [opinion.label for opinion in opinions],
            "left_out": [opinion.left_out for opinion in opinions],
            "label_distribution": [opinion.distribution for opinion in opinions],
        }

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
            f"{self.uri} has folders that are no known class",
            self._unknown,
            self.taxonomy,
            "rename these folders",
            SPLIT_NAMES,
        )


def unknown_classes(
    happened: str,
    unknown: Counter[str],
    taxonomy: Taxonomy,
    fix: str,
    also_known: Collection[str] = (),
) -> InputError:
    """Return the error that lists names without a meaning, how often each stands, and the nearest that has one."""
    known = [*taxonomy.labels, *taxonomy.aliases, *taxonomy.left_out, *also_known]
    told = []
    for name, count in sorted(unknown.items()):
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        told.append(
            f"{name[:60]!r} ({count:,} images" + (f"; did you mean {near[0]!r}?)" if near else ")")
        )
    more = f", and {len(told) - 20} more" if len(told) > 20 else ""
    return InputError(
        f"{happened}: {', '.join(told[:20])}{more}",
        expected=f"classes among {', '.join(taxonomy.labels)}",
        fix=f"{fix}, or say what they mean in the preset (`Source.classes`)",
    )


def _folders(names: pa.Array, raw: pa.ChunkedArray) -> tuple[pa.DictionaryArray, pa.Array]:
    """Of every path its folder, which is its parts with slashes between or `_UNSAFE`, and whether it is hidden."""
    folders, files = parted(names)
    special = pc.or_(pc.match_substring_regex(files, _SPECIAL), pc.starts_with(names, "/"))
    # A folder is looked at once; of a special path all of it.
    looked_at = [
        f"{folder}/file" if folder else "file" for folder in folders.dictionary.to_pylist()
    ]
    own = [name.decode("utf-8", "surrogateescape") for name in raw.filter(special).to_pylist()]
    places = pa.array(range(len(looked_at), len(looked_at) + len(own)), folders.indices.type)
    which = pc.replace_with_mask(folders.indices, special, places)
    looked_at += own
    found = [paths.parts(path) for path in looked_at]
    meant = pa.array(
        [_UNSAFE if path is None else paths.readable("/".join(path[:-1])) for path in found],
        pa.string(),
    )
    hidden = pa.array([paths.is_hidden(path) for path in looked_at], pa.bool_())
    return pa.DictionaryArray.from_arrays(which, meant), hidden.take(which)


def _chosen(words: tuple[str | bool, ...], which: pa.Array) -> pa.Array:
    """Of each row the word with its number, as a dictionary array; flags as they are."""
    column = pa.array(words)
    if pa.types.is_boolean(column.type):
        return column.take(which)
    encoded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(which), encoded.dictionary)


def _own_refusal(names: pa.Array, objects: pa.Table) -> pa.Array:
    """Why an object is refused whatever folder it is in; nothing where it isn't."""
    again = pa.concat_arrays([pa.array([False]), pc.equal(names[1:], names[:-1])])
    nested = pc.if_else(whole(objects["archive"]), NESTED_ARCHIVE, "")
    refusal = whole(objects["refusal"]).cast(pa.string())
    return pc.if_else(again, DUPLICATE_PATH, pc.if_else(pc.equal(refusal, ""), nested, refusal))


def _tally(words: pa.ChunkedArray) -> Counter[str]:
    return Counter(
        {found["values"]: found["counts"] for found in pc.value_counts(words).to_pylist()}
    )


def _wrapper_length(folders: Sequence[tuple[str, ...]], is_meant: Callable[[str], bool]) -> int:
    """How many leading folders all images share that mean neither a split nor a class."""
    length = 0
    # What the first and the last in order share, all share.
    for one, other in zip(min(folders, default=()), max(folders, default=()), strict=False):
        if one != other or is_meant(one):
            break
        length += 1
    return length
