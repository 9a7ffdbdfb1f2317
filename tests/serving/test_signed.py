"""A predictor with a public key serves only what its holder signed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.serving import server
from components.shared.artifacts import signing
from components.shared.errors import ContractError


class Loaded(Exception):
    """The model was accepted."""


def start(folder: Path, *options: str) -> None:
    parser = argparse.ArgumentParser()
    server.add_arguments(parser)
    server.serve(parser.parse_args(["--model-dir", str(folder), *options]))


def test_only_what_is_signed_is_loaded(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded() -> None:
        raise Loaded

    monkeypatch.setattr(server, "_import_kserve", loaded)
    key = tmp_path / "signing.pem"
    plain = serialization.NoEncryption()
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
        )
    )
    public, signature = (
        signing.public_key(key),
        signing.sign((model_folder / "model.json").read_bytes(), key),
    )
    with pytest.raises(Loaded):
        start(model_folder)
    with pytest.raises(Loaded):
        start(model_folder, "--public-key", public, "--signature", signature)
    with pytest.raises(ContractError, match="is not signed"):
        start(model_folder, "--public-key", public)
    with pytest.raises(ContractError, match="is not by the key"):
        start(
            model_folder,
            "--public-key",
            public,
            "--signature",
            signing.sign(b"another manifest", key),
        )
