"""Which layout a place has."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.sources.layouts.class_folders import ClassFolders
from components.ingestion.sources.layouts.columns import ending, entries_of, listing, texts, whole
from components.ingestion.sources.layouts.fer2013_csv import Fer2013Csv
from components.ingestion.sources.layouts.layout import Layout
from components.ingestion.sources.layouts.manifest import COLUMNS, Manifest
from components.ingestion.sources.layouts.votes import (
    MAX_TABLE_BYTES,
    Votes,
    VoteTable,
    is_vote_table,
    read_votes,
)
from components.ingestion.sources.storage import paths
from components.ingestion.sources.storage.storage import Entry, ObjectPlace, ObjectUnreadable
from components.shared.errors import InputError
from components.shared.labels import Taxonomy
from components.shared.preset import VotesPolicy

HEADER_BYTES = 65_536
# Tables are told apart by their headers; of more than so many only those nearest to the top are
# looked at.
MAX_TABLES = 20
_IMAGES, _TABLES = paths.ending_with(paths.IMAGE_SUFFIXES), paths.ending_with(paths.TABLE_SUFFIXES)
FER2013_COLUMNS = frozenset({"emotion", "pixels"})


def detect(
    place: ObjectPlace,
    taxonomy: Taxonomy,
    policy: VotesPolicy | None = None,
    votes: VoteTable | None = None,
    source: str = "",
) -> Layout:
    """Return the layout of a place: a manifest, else class folders, else FER2013's CSV.

    Any other CSV beside images is somebody's list of them and not looked at.

    Args:
        policy: how votes become labels; without one they count for nothing.
        votes: a table of votes on this place's images; by default one that stands beside them.
        source: short name of this source among several.

    Raises:
        InputError: no layout fits; the message says what the place holds.
        EnvironmentProblem: the place can't be reached.
    """
    objects = listing(place)
    if not len(objects):
        raise InputError(
            f"{place.uri} is empty",
            expected="images in class folders, a manifest, or a CSV of FER2013's form",
        )
    objects = objects.append_column("image", pc.match_substring_regex(objects["name"], _IMAGES))
    headers = _headers(place, objects)
    manifest = _only(
        place, [table for table, columns in headers.items() if set(columns) >= COLUMNS], "manifests"
    )
    if manifest is not None:
        return Manifest(place, manifest, taxonomy, source)
    if policy is not None and votes is None:
        beside = _only(
            place,
            [table for table, columns in headers.items() if is_vote_table(columns)],
            "tables of votes",
        )
        votes = vote_table(place, beside) if beside is not None else None
    counted = Votes(votes, policy, taxonomy) if policy is not None and votes is not None else None
    folders = ClassFolders.of(place, objects, taxonomy, counted, source)
    if folders is not None:
        return folders
    table = _only(
        place,
        [table for table, columns in headers.items() if set(columns) >= FER2013_COLUMNS],
        "tables of images",
    )
    if table is not None:
        return Fer2013Csv(place.uri, table, headers[table], taxonomy, counted, source)
    raise _no_layout(place, texts(objects["name"]).to_pylist(), headers)


def vote_table(place: ObjectPlace, table: Entry) -> VoteTable:
    """Read a table of votes. Raises InputError: it can't be read."""
    if table.size > MAX_TABLE_BYTES:
        raise InputError(
            f"the votes {table.name} in {place.uri} have {table.size:,} bytes",
            expected=f"at most {MAX_TABLE_BYTES:,}",
        )
    try:
        return read_votes(place.read(table), f"{table.name} in {place.uri}")
    except ObjectUnreadable as error:
        raise InputError(
            f"can't read {table.name} in {place.uri}: {error}", fix="download or pack it again"
        ) from error


def votes_alone(place: ObjectPlace) -> VoteTable | None:
    """Return the table of votes that this place is and nothing else, or None."""
    entries = place.entries() if paths.is_table(place.uri) else []
    return (
        vote_table(place, entries[0])
        if len(entries) == 1 and is_vote_table(_columns(place, entries[0]))
        else None
    )


def _headers(place: ObjectPlace, objects: pa.Table) -> dict[Entry, tuple[str, ...]]:
    found = objects.filter(
        ending(whole(objects["name"]), _TABLES, pc.invert(whole(objects["image"])))
    )
    tables = [
        entry
        for entry in entries_of(found)
        if not paths.is_hidden(entry.name) and not entry.refusal
    ]
    tables.sort(key=lambda entry: entry.name.count("/"))
    return {
        entry: _columns(place, entry)
        for entry in tables[:MAX_TABLES]
        if paths.parts(entry.name) is not None
    }


def _columns(place: ObjectPlace, table: Entry) -> tuple[str, ...]:
    """Return the names in a table's header, or in the first object of JSON Lines, in lower case."""
    try:
        head = place.head(table, HEADER_BYTES)
    except ObjectUnreadable as error:
        raise InputError(
            f"can't read {table.name} in {place.uri}: {error}", expected="a readable table"
        ) from error
    line = next(iter(head.decode("utf-8-sig", "replace").split("\n")), "").strip()
    if table.name.lower().endswith(paths.JSON_LINES_SUFFIXES):
        try:
            first = json.loads(line)
        except (ValueError, RecursionError):
            return ()
        return tuple(first) if isinstance(first, dict) else ()
    return tuple(name.strip().lower() for name in next(csv.reader([line]), [])) if line else ()


def _only(place: ObjectPlace, found: Sequence[Entry], what: str) -> Entry | None:
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found)
        raise InputError(
            f"{place.uri} holds several {what}",
            expected="one of them",
            received=names,
            fix="name the one to use with --data",
        )
    return found[0] if found else None


def _no_layout(
    place: ObjectPlace, names: Sequence[str], headers: dict[Entry, tuple[str, ...]]
) -> InputError:
    if headers:
        received = "; ".join(
            f"{table.name}: {','.join(columns)[:80] or 'nothing'}"
            for table, columns in list(headers.items())[:3]
        )
        return InputError(
            f"the table in {place.uri} has the wrong header or none",
            expected="emotion,pixels,Usage, or uri,label",
            received=received,
        )
    archives = [name for name in names if paths.is_archive(name)]
    return InputError(
        f"{place.uri} holds no images",
        expected=(
            "split/class/image, class/image, a CSV or JSONL of uri,label, or a CSV with the columns"
            " emotion,pixels,Usage"
        ),
        received=f"{len(names):,} other files, such as {names[0][:80]!r}",
        fix=f"unpack it and name {archives[0][:80]!r} as the source" if archives else "",
    )
