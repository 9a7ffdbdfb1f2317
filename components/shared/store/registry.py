"""Read what a model's registry says."""

from __future__ import annotations

from components.shared.records import Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import from_json
from components.shared.store import keys
from components.shared.store.interface import Store


def read_pointers(store: Store, model_name: str) -> Pointers:
    """Champion (wanted), previous and anchor; all None for a model that was never promoted.

    Raises ContractError for anything else.

    An anchor that was sent back is none; the next change of the registry writes so.
    """
    return read_document(store, model_name)[1].mended()


def read_document(store: Store, model_name: str) -> tuple[bytes | None, Pointers]:
    """Return the document's bytes, as a compare-and-set expects them, and what they say.

    Stores of an earlier layout hold champion, previous and anchor one by one. They are read as they
    stand, and the first change writes the document.
    """
    content = store.read(keys.pointers(model_name))
    if content is not None:
        return content, from_json(Pointers, content, f"the pointers of {model_name}")
    champion, previous, anchor = (
        _pointer(store, model_name, role) for role in ("champion", "previous", "anchor")
    )
    return None, Pointers(champion, previous, anchor)


def read_serving(store: Store, model_name: str) -> Pointer | None:
    """Return the version that does serve, as the last rollout proved it.

    None where nothing was rolled out.
    """
    return _pointer(store, model_name, "serving")


def _pointer(store: Store, model_name: str, role: str) -> Pointer | None:
    content = store.read(keys.pointer(model_name, role))
    return None if content is None else from_json(Pointer, content, f"the {role} of {model_name}")
