"""What people decided about single pictures, beside the snapshots of a source.

Other labels, and pictures to forget.

    snapshots/<source_id>/overlays/relabels.csv     example_id,source_uri,old_label,label,by,at
    snapshots/<source_id>/overlays/tombstones.csv   content_id,source_uri,by,at

A relabel names a row by its example id, or by its path in the source. A tombstone names a content,
so every pixel-exact copy is forgotten with it, under whatever name it comes back.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.shared.errors import InputError
from components.shared.store import keys
from components.shared.store.interface import Store, update

RELABELS = ("example_id", "source_uri", "old_label", "label", "by", "at")
TOMBSTONES = ("content_id", "source_uri", "by", "at")
FILES = {"relabels": RELABELS, "tombstones": TOMBSTONES}


@dataclass(frozen=True)
class Overlays:
    """The overlays of one source.

    Attributes:
        labels: example id or source uri to (old label or nothing, new label); the last line wins.
        forgotten: content ids.
    """

    labels: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()

    def label(self, example_id: str, uri: str, label: str) -> str:
        """Return the label that a row gets.

        A person's, unless it was given to another label than the source states now.
        """
        old, new = self.labels.get(example_id) or self.labels.get(uri) or ("", label)
        return new if old in ("", label) else label


def read_overlays(store: Store, source_id: str) -> Overlays:
    """Return the overlays of a source; empty ones where nobody decided anything.

    Raises InputError for a damaged file.
    """
    relabels = read_rows(store, source_id, "relabels")
    labels = {
        row["example_id"] or row["source_uri"]: (row["old_label"], row["label"]) for row in relabels
    }
    return Overlays(
        labels, frozenset(row["content_id"] for row in read_rows(store, source_id, "tombstones"))
    )


def overlays_digest(store: Store, source_id: str) -> str:
    """SHA-256 (hex) of both files; nothing where there is none. Part of what makes a night new."""
    contents = [store.read(keys.overlay(source_id, f"{name}.csv")) for name in FILES]
    if not any(contents):
        return ""
    return hashlib.sha256(b"\0".join(content or b"" for content in contents)).hexdigest()


def read_rows(store: Store, source_id: str, name: str) -> list[dict[str, str]]:
    """Return the rows of ``relabels`` or ``tombstones``. Raises InputError."""
    content = store.read(keys.overlay(source_id, f"{name}.csv"))
    return (
        parse(content, FILES[name], store.location(keys.overlay(source_id, f"{name}.csv")))
        if content
        else []
    )


def add_rows(store: Store, source_id: str, name: str, rows: Iterable[Mapping[str, str]]) -> int:
    """Append the rows that don't stand there yet, and say how many.

    Raises ConflictError when others keep writing there.
    """
    columns = FILES[name]
    key = keys.overlay(source_id, f"{name}.csv")
    deciding = [column for column in columns if column not in ("by", "at")]
    rows = list(rows)
    new: list[Mapping[str, str]] = []

    def change(before: bytes | None) -> bytes | None:
        present = parse(before, columns, key) if before else []
        known = {tuple(row[column] for column in deciding) for row in present}
        new[:] = [row for row in rows if tuple(row[column] for column in deciding) not in known]
        if not new:
            return before
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*present, *new])
        return text.getvalue().encode()

    update(store, key, change)
    return len(new)


def parse(content: bytes, columns: tuple[str, ...], where: str) -> list[dict[str, str]]:
    """Return the rows of an overlay's CSV. Raises InputError."""
    try:
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"can't read {where} ({error})", expected="CSV in UTF-8") from error
    if not table or tuple(table[0]) != columns:
        raise InputError(
            f"{where} has another header",
            expected=",".join(columns),
            received=",".join(table[0])[:200] if table else "nothing",
        )
    for number, row in enumerate(table[1:], 2):
        if row and len(row) != len(columns):
            raise InputError(
                f"line {number} of {where} has {len(row)} values",
                expected=f"{len(columns)}: {','.join(columns)}",
            )
    return [dict(zip(columns, row, strict=True)) for row in table[1:] if row]
