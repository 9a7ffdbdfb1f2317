"""`emotion models sign` and `verify` from the shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.deployment.registry.registry import Registry
from components.shared.store.interface import open_store
from tests.deployment.builders import write_model
from tests.pipelines.cli.test_models import emotion


def test_a_version_is_signed_and_checked(tmp_path: Path) -> None:
    version = write_model(tmp_path / "model", b"weights").version
    Registry(open_store(str(tmp_path / "store")), "small").put(tmp_path / "model", version)
    for name in ("mine", "other"):
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / f"{name}.pem"],
            check=True,
            capture_output=True,
        )

    signed = emotion(tmp_path, "sign", version[:6], "--key", "mine.pem")
    assert signed.returncode == 0, signed.stderr
    assert f"small: {version} is signed; public key " in signed.stdout
    public = signed.stdout.split()[-1]
    assert emotion(tmp_path, "verify", version, "--public-key", public).returncode == 0

    emotion(tmp_path, "sign", version, "--key", "other.pem")
    replaced = emotion(tmp_path, "verify", version, "--public-key", public)
    assert replaced.returncode == 3
    assert "is not by the key" in replaced.stderr
    missing = emotion(tmp_path, "sign", version, "--key", "none.pem")
    assert missing.returncode == 2
    assert "there is no key at none.pem" in missing.stderr
