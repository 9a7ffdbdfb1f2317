"""The model registry: immutable versions and three pointers, in the store.

Any write may be the last one before a kill. The order makes a rerun finish the rest: the whole
version, the record of the promotion, the champion, then what follows from it.
"""

from __future__ import annotations

from pathlib import Path

from components.contracts import layout
from components.contracts.artifacts import MARKERS
from components.contracts.codec import from_json, to_pretty_json
from components.contracts.errors import ContractError
from components.contracts.night import Pointer
from components.deployment.promotion import Promotion, decide
from components.runtime.store import Store


class Registry:
    """Versions and pointers of one model name."""

    def __init__(self, store: Store, model_name: str) -> None:
        self._store = store
        self._name = model_name

    def pointer(self, name: str) -> Pointer | None:
        """The pointer `champion`, `anchor` or `previous`, or None where none stands."""
        return self._parse(name, self._store.read(self._key(name)))

    def location(self, version: str) -> str:
        """URI of a version's files."""
        return self._store.location(layout.version(self._name, version))

    def promote(self, model: Path, wanted: Pointer, judged_against: str | None) -> Pointer:
        """Make a model artifact the champion; return the champion that stands then.

        Doing it again changes nothing, and completes what a killed attempt left undone.

        Raises:
            ConflictError: someone else's version is the champion; no pointer was changed.
        """
        content = self._store.read(self._key("champion"))
        current = self._parse("champion", content)
        recorded = self._recorded(current.run_id) if current else None
        promotion = decide(current, recorded, judged_against, wanted)
        self._store.put_tree(model, layout.version(self._name, wanted.version), MARKERS["model"])
        if promotion is not None:
            if promotion.champion != current:
                self._store.write(_record_key(wanted.run_id), _json(promotion))
                self._store.compare_and_set(self._key("champion"), content, _json(promotion.champion))
            if promotion.previous is not None:
                self._set("previous", promotion.previous)
        champion = promotion.champion if promotion else current
        if champion is None:
            raise ContractError(f"{self._name} has no champion after its promotion", fix="run the step again")
        if self.pointer("anchor") is None:
            self._store.compare_and_set(self._key("anchor"), None, _json(champion))
        return champion

    def _set(self, name: str, target: Pointer) -> None:
        content = self._store.read(self._key(name))
        if self._parse(name, content) != target:
            self._store.compare_and_set(self._key(name), content, _json(target))

    def _recorded(self, run_id: str) -> Promotion | None:
        content = self._store.read(_record_key(run_id))
        return from_json(Promotion, content, "promotion.json") if content is not None else None

    def _parse(self, name: str, content: bytes | None) -> Pointer | None:
        return from_json(Pointer, content, f"the {name} of {self._name}") if content is not None else None

    def _key(self, name: str) -> str:
        return layout.pointer(self._name, name)


def _record_key(run_id: str) -> str:
    return f"{layout.run(run_id)}/promotion.json"


def _json(value: Pointer | Promotion) -> bytes:
    return to_pretty_json(value).encode()
