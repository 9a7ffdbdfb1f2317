"""Read what a model's registry says."""

from __future__ import annotations

from components.contracts import layout
from components.contracts.codec import from_json
from components.contracts.night import Pointer
from components.contracts.registry import Pointers
from components.runtime.store import Store


def read_pointers(store: Store, model_name: str) -> Pointers:
    """Champion (wanted), previous and anchor; all None for a model that was never promoted."""
    return parse_pointers(store.read(layout.pointers(model_name)), model_name)


def parse_pointers(content: bytes | None, model_name: str) -> Pointers:
    """`read_pointers` from the document's bytes. Raises ContractError for anything else."""
    return Pointers() if content is None else from_json(Pointers, content, f"the pointers of {model_name}")


def read_serving(store: Store, model_name: str) -> Pointer | None:
    """The version that does serve, as the last rollout proved it; None where nothing was rolled out."""
    content = store.read(layout.pointer(model_name, "serving"))
    return None if content is None else from_json(Pointer, content, f"what serves {model_name}")
