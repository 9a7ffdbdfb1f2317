"""A process that promotes until it is killed.

``python -m tests.deployment.promoting STORE FOLDER``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from components.deployment.registry.registry import Registry
from components.shared.store.interface import open_store
from tests.deployment.builders import signed, verdict_on

NIGHTS = 12


def promote_forever(uri: str, folder: Path) -> None:
    """Make every model of a folder champion in turn, again and again, from whatever the registry says."""
    registry = Registry(open_store(uri), "small")
    print("ready", flush=True)
    for night in range(1_000_000):
        model = folder / f"model-{night % NIGHTS}"
        version = model.with_name(f"{model.name}.version").read_text()
        now = registry.pointers()
        against = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
        registry.promote(
            model,
            f"run-{night}",
            verdict_on(version, *against, better_than_anchor=night % 3 == 0),
            signed("gate"),
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of the clients' imports
    promote_forever(sys.argv[1], Path(sys.argv[2]))
