"""The preset of a step: as text, from a file, by the name of a shipped one, or from the store.

`resolve` takes a name or the whole text, stores the preset under its digest and hands on the
digest, so that no later task's arguments carry kilobytes. `report` can't take an output of
resolve's: it reads what resolve stored under the run.
"""

from __future__ import annotations

import re
from pathlib import Path

from components.shared.errors import ContractError, UnknownNameError
from components.shared.preset import Preset
from components.shared.serialization import digest, from_json, to_json
from components.shared.store import keys
from components.shared.store.interface import Store

SHIPPED = (
    Path(__file__).resolve().parents[3] / "presets"
)  # the image of resolve has them here, one JSON file each
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_preset(text: str, store: Store, shipped: Path = SHIPPED) -> Preset:
    """Return the preset that ``--preset`` means.

    Args:
        text: JSON, ``@FILE`` with JSON, the digest of a stored preset, or the name of a shipped
            one.

    Raises:
        ContractError: it isn't a preset of this version of the code, or the store lacks it.
            UnknownNameError: no shipped one is called so.
    """
    if text.startswith("@"):
        return from_json(Preset, Path(text[1:]).read_bytes(), "preset")
    if text.lstrip().startswith("{"):
        return from_json(Preset, text, "preset")
    if _DIGEST.fullmatch(text):
        return _stored(text, store)
    if not (shipped / f"{text}.json").is_file() or "/" in text:
        raise UnknownNameError(
            "preset",
            text,
            sorted(path.stem for path in shipped.glob("*.json")) or ["the JSON text of a preset"],
        )
    return from_json(Preset, (shipped / f"{text}.json").read_bytes(), f"the preset {text}")


def store_preset(store: Store, run_id: str, preset: Preset) -> str:
    """Store a preset under its digest, and for its run; returns the digest."""
    content = to_json(preset).encode()
    store.write(keys.preset(digest(preset)), content)
    store.write(keys.run_preset(run_id), content)
    return digest(preset)


def preset_of_run(store: Store, run_id: str) -> Preset | None:
    """Return the preset that resolve stored for a run; None where it stored none.

    Raises ContractError.
    """
    content = store.read(keys.run_preset(run_id))
    return None if content is None else from_json(Preset, content, f"the preset of run {run_id}")


def _stored(name: str, store: Store) -> Preset:
    content = store.read(keys.preset(name))
    if content is None:
        raise ContractError(
            f"the store has no preset {name}",
            received=store.uri,
            fix="run resolve again: it stores the preset of its run",
        )
    preset = from_json(Preset, content, f"the preset {name}")
    if digest(preset) != name:
        raise ContractError(
            f"the stored preset {name} was changed",
            received=digest(preset),
            fix="run resolve again",
        )
    return preset
