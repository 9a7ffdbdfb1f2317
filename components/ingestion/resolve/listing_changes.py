"""What became of the objects of a source since an earlier night.

16 bytes per object, kept in the store. Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import cast

from components.ingestion.sources.storage.paths import is_image
from components.ingestion.sources.storage.storage import Entry, ObjectPlace, Place
from components.shared.run_plan import Listing
from components.shared.store import keys
from components.shared.store.interface import Store

HALF = 8  # bytes of the digest of a name, and of all that is said of an object


def keep(store: Store, listing: Listing, place: Place) -> bytes:
    """Store the objects of tonight's listing under its digest, unless they stand there, and return them."""
    key = keys.listing(listing.source_id, listing.digest)
    standing = store.read(key)
    if standing is None:
        standing = packed(_entries(place))
        store.write(key, standing)
    return standing


def changed_since(store: Store, listing: Listing, place: Place, earlier_digest: str) -> int | None:
    """How many objects came, changed or went since the listing of that digest.

    None where that can't be told: the other one wasn't kept, or it was the table of labels beside
    the images that changed.
    """
    earlier = store.read(keys.listing(listing.source_id, earlier_digest))
    if earlier is None:
        return None
    return difference(earlier, keep(store, listing, place)) or (
        0 if earlier_digest == listing.digest else None
    )


def packed(entries: Iterator[Entry]) -> bytes:
    """Digest of the name and digest of everything, of each object.

    Of images alone where there are any.
    """
    images: list[bytes] = []
    others: list[bytes] = []
    for entry in entries:
        name = entry.name.encode("utf-8", "surrogateescape")
        said = b"\0".join((name, str(entry.size).encode(), entry.checksum.encode()))
        row = hashlib.sha256(name).digest()[:HALF] + hashlib.sha256(said).digest()[:HALF]
        (images if is_image(entry.name) else others).append(row)
    return b"".join(images or others)


def difference(one: bytes, other: bytes) -> int:
    """Objects of which only one holds the name, or that aren't the same in both."""
    first, second = _rows(one), _rows(other)
    return sum(first.get(name) != said for name, said in second.items()) + sum(
        name not in second for name in first
    )


def _rows(content: bytes) -> dict[bytes, bytes]:
    return {
        content[at : at + HALF]: content[at + HALF : at + 2 * HALF]
        for at in range(0, len(content), 2 * HALF)
    }


def _entries(place: Place) -> Iterator[Entry]:
    for part in getattr(place, "places", (place,)):
        yield from cast(ObjectPlace, part).entries()
