"""Which layout a place has."""

from __future__ import annotations

from components.contracts.errors import InputError
from components.contracts.labels import Taxonomy
from components.ingestion.sources.class_folders import ClassFolders
from components.ingestion.sources.fer2013_csv import Fer2013Csv
from components.ingestion.sources.layouts import Layout
from components.ingestion.sources.places import Place

# Asked in this order: a CSV beside images in class folders is somebody's list of them.
LAYOUTS: dict[str, type[ClassFolders] | type[Fer2013Csv]] = {
    "class-folders": ClassFolders,
    "fer2013-csv": Fer2013Csv,
}


def detect(place: Place, taxonomy: Taxonomy) -> Layout:
    """The layout of a place.

    Raises:
        InputError: no layout fits; the message says what the place holds.
        EnvironmentProblem: the place can't be reached.
    """
    entries = sorted(place.entries(), key=lambda entry: (entry.name, entry.handle))
    if not entries:
        raise InputError(f"{place.uri} is empty", expected="images in class folders, or a CSV of FER2013's form")
    for layout in LAYOUTS.values():
        found = layout.found_in(place, entries, taxonomy)
        if found is not None:
            return found
    raise InputError(
        f"{place.uri} holds no images",
        expected="split/class/image, class/image, or a CSV with the columns emotion,pixels,Usage",
        received=f"{len(entries):,} other files, such as {entries[0].name[:80]!r}",
    )
