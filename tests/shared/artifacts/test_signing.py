"""Signatures of versions hold for one manifest and one key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from components.shared.artifacts import signing
from components.shared.errors import ContractError, InputError

MANIFEST = b'{"version": "0123"}'


def key_file(
    folder: Path, name: str = "signing.pem", *, key: object = None, password: bytes = b""
) -> Path:
    secret = key or Ed25519PrivateKey.generate()
    how = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    text = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)  # type: ignore[attr-defined]
    (folder / name).write_bytes(text)
    return folder / name


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key_file(tmp_path_factory.mktemp("keys"))


def test_what_is_signed_is_accepted_and_signing_again_gives_the_same(key: Path) -> None:
    signature = signing.sign(MANIFEST, key)
    signing.verify(MANIFEST, signature, signing.public_key(key), "0123")
    assert signing.sign(MANIFEST, key) == signature


@given(other=st.binary(max_size=64).filter(lambda content: content != MANIFEST))
def test_no_other_manifest_is_accepted(key: Path, other: bytes) -> None:
    with pytest.raises(ContractError, match="the signature of 0123 is not by the key"):
        signing.verify(other, signing.sign(MANIFEST, key), signing.public_key(key), "0123")


def test_no_other_key_is_accepted(key: Path, tmp_path: Path) -> None:
    signature = signing.sign(MANIFEST, key_file(tmp_path))
    with pytest.raises(ContractError, match="is not by the key"):
        signing.verify(MANIFEST, signature, signing.public_key(key), "0123")


@pytest.mark.parametrize(
    ("signature", "words"),
    [("", "0123 is not signed"), ("AAAA", "is not by the key"), ("not base64", "is not by")],
)
def test_no_signature_is_refused(key: Path, signature: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        signing.verify(MANIFEST, signature, signing.public_key(key), "0123")


def test_openssl_makes_a_key_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", path],
        check=True,
        capture_output=True,
    )
    signing.verify(MANIFEST, signing.sign(MANIFEST, path), signing.public_key(path), "0123")


def test_what_is_no_key_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello")
    curve = key_file(tmp_path, "curve.pem", key=ec.generate_private_key(ec.SECP256R1()))
    locked = key_file(tmp_path, "locked.pem", password=b"secret")
    for path, words in (
        (tmp_path / "none.pem", "there is no key at"),
        (tmp_path / "text.pem", "holds no key that can be read"),
        (locked, "holds no key that can be read"),
        (curve, "is of another kind"),
    ):
        with pytest.raises(InputError, match=words):
            signing.sign(MANIFEST, path)
    for public in ("", "AAAA", "not base64"):
        with pytest.raises(InputError, match="no Ed25519 public key"):
            signing.verify(MANIFEST, "", public, "0123")
