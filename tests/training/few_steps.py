"""A few training steps on KERAS_BACKEND, from weights in a file.

`python -m tests.training.few_steps WEIGHTS DEVICES`. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.training.native_logs import import_keras


def main(file: Path, devices: str) -> None:
    with tempfile.TemporaryDirectory() as settings:
        import_keras(Path(settings))
        if devices == "all" and "tensorflow" in sys.modules:
            two = [sys.modules["tensorflow"].config.LogicalDeviceConfiguration()] * 2
            config = sys.modules["tensorflow"].config
            config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], two)
        from components.shared.preset import Augmentation, Stage
        from components.training import backend
        from components.training.fit.loop import fit
        from tests.training.support import BRISK, NOBODY, data, trainer_of

        policy = replace(
            BRISK,
            architecture="emotion6-cnn",
            stages=(Stage(epochs=2, optimizer="sgd", learning_rate=0.1, weight_decay=0.01),),
            augmentation=Augmentation(
                flip=True, rotation_degrees=5, shift=0.07, contrast=0.1, erasing=0.3
            ),
            dropout=0.0,
            average_weights=0.9,
            devices=devices,
        )
        backend.current().make_deterministic(3)
        rows = data(size=24)
        with backend.current().on_devices(policy.devices):
            trainer = trainer_of(policy, rows, rows.training.spec)
            if not file.exists():
                np.savez(file, *trainer.network.get_weights())
            with np.load(file) as saved:
                trainer.network.set_weights([saved[name] for name in saved.files])
            standing = fit(trainer, rows, policy, None, NOBODY)
        weights = trainer.weights()
    found = {
        "loss": standing.history["loss"],
        "val_loss": standing.history["val_loss"],
        "norms": [float(np.linalg.norm(w)) for w in weights],
    }
    print(
        json.dumps({**found, "backend": backend.name(), "tensorflow": "tensorflow" in sys.modules})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
