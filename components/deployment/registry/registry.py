"""The model registry.

Immutable versions, one document of pointers and the decisions behind it, in the store.

Champion, previous and anchor stand in one document, so a promotion is one compare-and-set: a kill
before it leaves the old state, a kill after it the new one. The document carries its latest
decision; that is filed under its number right after, or by whoever comes next, so none is lost and
none is filed that never took effect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from components.deployment.registry.promotion import (
    Signed,
    mended,
    promoted,
    reinstated,
    require_spared,
    rolled_back,
    served,
    withdrawn,
)
from components.shared.artifacts.contract import MARKERS, ModelManifest
from components.shared.errors import ConflictError, ContractError, UnknownNameError
from components.shared.findings import Verdict
from components.shared.records import Decision, Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import from_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import Store, update
from components.shared.store.registry import read_document, read_pointers, read_serving

ATTEMPTS = 50  # each lost attempt means that someone else's change went through


def model_names(store: Store) -> list[str]:
    """Every model of a store, sorted."""
    return sorted({key.split("/")[1] for key in store.list("models")})


class Registry:
    """Versions, pointers and decisions of one model name."""

    def __init__(self, store: Store, model_name: str) -> None:
        self.store = store
        self.name = model_name

    def pointers(self) -> Pointers:
        """Return what the registry says now.

        Raises ContractError when the document can't be read.
        """
        return read_pointers(self.store, self.name)

    def serving(self) -> Pointer | None:
        """Return what does serve, as the last rollout proved it."""
        return read_serving(self.store, self.name)

    def location(self, version: str) -> str:
        """URI of a version's files."""
        return self.store.location(keys.version(self.name, version))

    def versions(self) -> list[str]:
        """Every whole version, sorted."""
        marker = f"/{MARKERS['model']}"
        markers = (key for key in self.store.list(keys.versions(self.name)) if key.endswith(marker))
        return sorted(key.split("/")[3] for key in markers if key.count("/") == 4)

    def manifest(self, version: str) -> ModelManifest:
        """Return what a version says about itself.

        Raises:
            UnknownNameError: there is no such version, or not the whole of it.
        """
        content = self.store.read(self._marker(version))
        if content is None:
            raise UnknownNameError(f"version of {self.name}", version, self.versions())
        return from_json(ModelManifest, content, f"the manifest of {version}")

    def decisions(self, after: int = 0) -> Iterator[Decision]:
        """Every decision with a number above ``after``, in order."""
        latest = self.pointers().decision
        for number in range(after + 1, latest.number if latest else 0):
            content = self.store.read(keys.decision(self.name, number))
            if content is None:
                raise ContractError(
                    f"decision {number} of {self.name} is gone",
                    fix="bring it back from a backup of the store",
                )
            yield from_json(Decision, content, f"decision {number} of {self.name}")
        if latest is not None and latest.number > after:
            yield latest

    def has(self, version: str) -> bool:
        """Whether the whole of a version is here."""
        return self.store.read(self._marker(version)) is not None

    def require(self, version: str) -> None:
        """Raise ContractError unless the whole of a version is here."""
        if not self.has(version):
            raise ContractError(
                f"{version} is no longer in the registry, or not whole",
                expected=self.store.location(self._marker(version)),
                fix="`emotion models promote VERSION --why ...` takes another one",
            )

    def promote(
        self,
        model: Path,
        run_id: str,
        verdict: Verdict,
        signed: Signed,
        *,
        awaits_rollout: bool = False,
    ) -> Pointers:
        """Carry out the gate's blessing of a model artifact. Doing it again changes nothing.

        Args:
            awaits_rollout: whether a rollout has yet to bring it to the traffic; see `promoted`.

        Raises:
            ConflictError: as `promoted` says; no pointer was changed.
        """

        def step(now: Pointers) -> Pointers:
            new = promoted(now, verdict, run_id, signed, awaits_rollout=awaits_rollout)
            self.put(model, verdict.challenger)
            return new

        return self.change(step)

    def put(self, model: Path, version: str) -> None:
        """Bring a version's files here, whole before they are visible.

        An existing version stays as it is.

        Raises:
            ConflictError: garbage collection removes it.
        """
        require_spared(self.pointers(), version)
        self.store.put_tree(model, keys.version(self.name, version), MARKERS["model"])

    def rollback(self, signed: Signed, away: str = "") -> Pointers:
        """Make the previous champion champion again.

        With ``away``, only if the champion is that version.

        Raises:
            InputError: there is no previous champion.
        """

        def step(now: Pointers) -> Pointers:
            if away and (now.champion is None or now.champion.version != away):
                return now
            new = rolled_back(now, signed, self.serving())
            self.require(new.champion.version if new.champion else "")
            return new

        return self.change(step)

    def withdraw(self, version: str, serving: Pointer | None, signed: Signed) -> Pointers:
        """Put what serves in the place of a champion that a rollout sent back; see `withdrawn`.

        Doing it again changes nothing.
        """
        return self.change(lambda now: withdrawn(now, version, serving, signed))

    def was_withdrawn(self, version: str, run_id: str) -> bool:
        """Whether a rollout sent a version back that this run had promoted, and nobody has brought it back since."""
        about = [
            one for one in self.decisions() if one.version == version and one.action != "anchor"
        ]
        return bool(about) and (about[-1].action, about[-1].run_id) == ("withdraw", run_id)

    def reinstate(self, version: str, signed: Signed) -> Pointers:
        """Make an earlier champion champion again.

        Raises:
            ContractError: the version never was champion. UnknownNameError: it isn't here.
        """
        reigns = [
            one
            for one in self.decisions()
            if one.version == version and one.action not in ("reject", "anchor")
        ]
        self.manifest(version)
        if not reigns:
            raise ContractError(
                f"{version} was never a champion of {self.name}",
                fix=(
                    f"`emotion models approve {version}` decides upon a version that waits for"
                    " approval"
                ),
            )

        def step(now: Pointers) -> Pointers:
            self.require(version)
            return reinstated(now, version, reigns[-1].run_id, signed)

        return self.change(step)

    def record_serving(self, serving: Pointer | None, signed: Signed) -> None:
        """Say which version has all of the traffic, which may make it the anchor.

        None: nothing serves. Doing it again changes nothing.
        """
        key = keys.pointer(self.name, "serving")
        if serving is None:
            self.store.delete(key)
            return
        content = to_pretty_json(serving).encode()
        update(
            self.store,
            key,
            lambda now: (
                now if now and from_json(Pointer, now, key).version == serving.version else content
            ),
        )
        self.change(lambda now: served(now, serving.version, signed))

    def change(self, step: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what ``step`` makes of them, again from what stands there when someone else was quicker.

        ``step`` may raise to refuse, and what it checks in the store holds for what it was given.
        """
        key = keys.pointers(self.name)
        for _ in range(ATTEMPTS):
            content, now = read_document(self.store, self.name)
            self._file(now.decision)
            anew = mended(now, datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
            new = step(now) if anew == now else anew  # a word of its own, before what was asked for
            if new == now:
                return now
            try:
                self.store.compare_and_set(key, content, to_pretty_json(new).encode())
            except ConflictError:
                continue
            self._file(new.decision)
            if anew == now:
                return new
        raise ConflictError(f"others keep changing the pointers of {self.name}", fix="run again")

    def _file(self, decision: Decision | None) -> None:
        if decision is None:
            return
        key = keys.decision(self.name, decision.number)
        if self.store.read(key) is None:
            with contextlib.suppress(ConflictError):  # filed meanwhile, by someone who saw the same
                self.store.compare_and_set(key, None, to_pretty_json(decision).encode())

    def _marker(self, version: str) -> str:
        return f"{keys.version(self.name, version)}/{MARKERS['model']}"
