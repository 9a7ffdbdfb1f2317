"""A preset with a public key lets in, and serves, only what its holder signed."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.deployment.__main__ import STEPS
from components.deployment.registry import signatures
from components.deployment.registry.registry import Registry
from components.deployment.rollout.command import _signature
from components.shared.artifacts import signing
from components.shared.errors import ContractError
from components.shared.preset import Preset
from components.shared.serialization import to_json
from components.shared.step.frame import main
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.deployment.builders import PRESET, write_model, write_verdict

NAME = PRESET.model_name


def key_file(path: Path) -> Path:
    plain = serialization.NoEncryption()
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
        )
    )
    return path


@pytest.fixture
def key(tmp_path):
    return key_file(tmp_path / "signing.pem")


@pytest.fixture
def demanding(key) -> Preset:
    return replace(PRESET, serving=replace(PRESET.serving, public_key=signing.public_key(key)))


def run(tmp_path, step, preset, *options):
    output = ["--deployment", str(tmp_path / "deployment")] if step == "deploy" else []
    return main(
        "deployment",
        STEPS,
        [
            step,
            "--preset",
            to_json(preset),
            "--store",
            str(tmp_path / "store"),
            "--run-id",
            "run-1",
            "--model",
            str(tmp_path / "model"),
            "--verdict",
            str(tmp_path / "verdict"),
            *output,
            *options,
            "--executor-input",
            "",
        ],
    )


@pytest.mark.parametrize(("step", "word"), [("deploy", "blessed"), ("register", "needs-approval")])
def test_a_mounted_key_signs_what_is_let_in(tmp_path, key, demanding, step, word):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None, word=word)
    assert run(tmp_path, step, demanding, "--signing-key", str(key)) == 0
    store = open_store(str(tmp_path / "store"))
    signature = store.read(keys.signature(NAME, version)).decode()
    assert _signature(Registry(store, NAME), version, signing.public_key(key)) == signature
    if step == "deploy":
        made = yaml.safe_load((tmp_path / "deployment" / "inference_service.yaml").read_text())
        arguments = made["spec"]["predictor"]["containers"][0]["args"]
        assert arguments[arguments.index("--signature") + 1] == signature
        assert arguments[arguments.index("--public-key") + 1] == demanding.serving.public_key


@pytest.mark.parametrize("other", [True, False])
def test_nothing_unsigned_is_let_in(tmp_path, demanding, capsys, other):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None)
    options = ["--signing-key", str(key_file(tmp_path / "other.pem"))] if other else []
    assert run(tmp_path, "deploy", demanding, *options) == 3
    assert (
        "is not by the key that the preset names" if other else "is not signed"
    ) in capsys.readouterr().err
    registry = Registry(open_store(str(tmp_path / "store")), NAME)
    assert registry.pointers().champion is None
    assert registry.versions() == []


def test_without_a_key_nothing_is_asked_for(tmp_path):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None)
    assert run(tmp_path, "deploy", PRESET) == 0
    assert open_store(str(tmp_path / "store")).read(keys.signature(NAME, version)) is None


def test_a_signature_is_of_one_version(tmp_path, key):
    store = open_store(str(tmp_path / "store"))
    for name, content in (("a", b"one"), ("b", b"two")):
        write_model(tmp_path / name, content)
    first, second = ((tmp_path / name / "model.json").read_bytes() for name in ("a", "b"))
    signature = signatures.sign(store, NAME, "1", first, key)
    store.write(keys.signature(NAME, "2"), signature.encode())
    assert signatures.require(store, NAME, "1", first, signing.public_key(key)) == signature
    with pytest.raises(
        ContractError, match=f"the signature of version 2 of {NAME} is not by the key"
    ):
        signatures.require(store, NAME, "2", second, signing.public_key(key))
