"""Ten kills at random moments of one training: the same files in the end as without any."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pytest

from components.shared.artifacts import contract
from components.shared.preset import Stage
from components.shared.step import progress
from tests.training.support import write_inputs
from tests.training.test_step import ROOT, command, finished, preset_of

KILLS, EPOCHS_AT_MOST = 10, 2
# More than the attempts can get through before their kill.
EPOCHS = 60


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_random_kills_leave_weights_and_history_as_they_would_have_been(tmp_path):
    inputs = write_inputs(tmp_path)
    preset = preset_of(
        Stage(epochs=EPOCHS, learning_rate=3e-3, patience=EPOCHS),
        Stage(epochs=3, optimizer="sgd", learning_rate=1e-3),
    )
    assert (
        finished(command(tmp_path, inputs, preset, run="whole", store="other-store")).returncode
        == 0
    )

    rng, furthest = random.Random(11), 0
    for _ in range(KILLS):
        sent = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        reached, code = _kill(
            command(tmp_path, inputs, preset),
            sent,
            rng.randint(1, EPOCHS_AT_MOST),
            rng.uniform(0, 0.2),
        )
        assert code == (-sent if sent == signal.SIGKILL else 143)
        assert not (tmp_path / "r1" / "model" / "model.json").exists()
        assert reached > furthest, "every attempt gets further than the one before"
        furthest = reached
    again = finished(command(tmp_path, inputs, preset))
    assert again.returncode == 0, again.stderr
    assert "continuing after epoch " in again.stdout

    whole, killed = (contract.verified_model(tmp_path / run / "model") for run in ("whole", "r1"))
    assert {"model.keras", "model.tflite", "history.json"} <= whole.files.keys()
    assert {name for name in whole.files if whole.files[name] != killed.files[name]} <= {
        "saved_model/saved_model.pb"
    }
    assert whole.version == killed.version


def _kill(
    arguments: list[str], sent: signal.Signals, epochs: int, seconds: float
) -> tuple[int, int]:
    """Start the step, let it finish so many epochs, wait a little, send the signal.

    Last epoch that was shown, exit code.
    """
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        seen, reached = 0, 0
        for line in process.stdout:
            shown = progress.parse(line)
            if (
                shown is not None and shown.unit == "epochs" and "held-out" in line
            ):  # the lines within an epoch have no score yet
                seen, reached = seen + 1, shown.done
                if seen == epochs:
                    time.sleep(seconds)
                    process.send_signal(sent)
                    break
        process.communicate(timeout=120)
    return reached, process.returncode
