"""The index in the store and beside it: read, extended, rebuilt."""

from __future__ import annotations

from pathlib import Path

from components.reporting.index import Index, Row, render_index, row_of
from components.shared.artifacts.contract import write_atomically
from components.shared.errors import EmotionError
from components.shared.serialization import from_json, json_object, to_json
from components.shared.store import keys
from components.shared.store.interface import Store, update


def add_to_index(store: Store, row: Row) -> None:
    """Put a run's row into the store's index and write the page anew.

    Reports of several runs may do so at once: none loses the other's row.

    Raises:
        ConflictError: others kept changing the index.
    """

    def change(before: bytes | None) -> bytes:
        return to_json((_parsed(before) or gathered(store)).with_row(row)).encode()

    _write_page(store, update(store, keys.runs_index("json"), change))


def rebuild_index(store: Store) -> Index:
    """Make the index again from the summary of every run, and write its page.

    Raises as `add_to_index` does.
    """
    return _write_page(
        store, update(store, keys.runs_index("json"), lambda _: to_json(gathered(store)).encode())
    )


def write_home_page(store: Store, home: Path) -> Path:
    """Return the same page in a local folder of runs.

    Only runs whose report stands there are linked.

    Returns:
        Its path.
    """
    index = _parsed(store.read(keys.runs_index("json"))) or gathered(store)
    page = home / "index.html"
    here = {run_id for run_id in index.rows if (home / run_id / "report.html").is_file()}
    write_atomically(page, render_index(index, here).encode())
    return page


def gathered(store: Store) -> Index:
    """Return the index as the runs' own summaries tell it."""
    rows: dict[str, Row] = {}
    for key in store.list("runs"):
        if key.count("/") == 2 and key.endswith("/summary.json"):
            row = row_of(json_object(store.read(key)))
            if row is not None:
                rows[row.run_id] = row
    return Index(rows)


def _write_page(store: Store, content: bytes | None) -> Index:
    """Write the page of an index, again until it shows what the index holds, which is returned."""
    while True:
        index = _parsed(content) or gathered(store)
        store.write(keys.runs_index("html"), render_index(index, index.rows).encode())
        now = store.read(keys.runs_index("json"))
        if now == content:
            return index
        content = now  # a report that ended meanwhile may have written its page first


def _parsed(content: bytes | None) -> Index | None:
    """None where there is no index, or one that can't be read: then the summaries tell."""
    if content is None:
        return None
    try:
        return from_json(Index, content)
    except EmotionError:
        return None
