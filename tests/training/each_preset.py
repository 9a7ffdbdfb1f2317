"""One epoch of each stage of every preset, on a few images of its size, on KERAS_BACKEND.

Prints JSON: preset to losses.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.training.native_logs import import_keras
from pipelines.presets import PRESETS

ROWS = 4


def main() -> None:
    with tempfile.TemporaryDirectory() as settings:
        import_keras(Path(settings))
        from components.shared.preset import Preset
        from components.training import backend
        from components.training.data.images import Images
        from components.training.fit.loop import Data, fit
        from components.training.fit.trainer import Trainer
        from components.training.train import build
        from tests.training.support import NOBODY

        def losses(preset: Preset) -> list[float]:
            policy, spec, count = preset.training, preset.data.image, len(preset.data.labels)
            policy = replace(
                policy,
                stages=tuple(
                    replace(stage, epochs=1, warmup_epochs=0.0) for stage in policy.stages
                ),
            )
            backend.current().make_deterministic(policy.seed)
            pixels = (
                np.random.default_rng(1)
                .integers(0, 256, (ROWS, spec.height, spec.width, spec.channels))
                .astype(np.uint8)
            )
            labels = np.arange(ROWS, dtype=np.int32) % count
            images = Images(
                tuple(map(str, labels)), pixels, labels, np.zeros((ROWS, count), np.float32), spec
            )
            data = Data(images, np.ones(ROWS, np.int64), np.ones(ROWS, np.float32), images)
            return list(
                fit(
                    Trainer(build(preset), policy, np.zeros(count, np.float32)),
                    data,
                    policy,
                    None,
                    NOBODY,
                ).history["val_loss"]
            )

        found = {name: losses(preset) for name, preset in PRESETS.items()}
    print(
        json.dumps(
            {"losses": found, "backend": backend.name(), "tensorflow": "tensorflow" in sys.modules}
        )
    )


if __name__ == "__main__":
    main()
