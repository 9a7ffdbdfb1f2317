"""Signatures of model versions.

Ed25519 (RFC 8032) over the digest of a version's manifest, which names the digest of every file.

A signature says who let a version into the registry; that its files are those of the manifest is
checked wherever a version is read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from components.shared.errors import ContractError, InputError

# Tells this use of a key from every other.
PURPOSE = b"emotion-retraining model version\n"
MAKE_ONE = "`openssl genpkey -algorithm ed25519 -out signing.pem` makes one"


def sign(manifest: bytes, key: Path) -> str:
    """Signature of a manifest's bytes, in base64; the same for the same bytes and key.

    Args:
        key: file of an unencrypted Ed25519 private key, PEM.

    Raises:
        InputError: the file is missing or holds no such key.
    """
    return base64.b64encode(_private(key).sign(_signed(manifest))).decode()


def public_key(key: Path) -> str:
    """Return the public half of a private key file, in base64: 32 bytes, for the preset."""
    raw = (
        _private(key)
        .public_key()
        .public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    )
    return base64.b64encode(raw).decode()


def verify(manifest: bytes, signature: str, public: str, what: str) -> None:
    """Refuse a manifest that the holder of the key didn't sign.

    Args:
        signature, public: in base64. what: names the version in messages.

    Raises:
        ContractError: there is no signature, or it isn't this key's over these bytes. InputError:
            the key is none.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except (ValueError, binascii.Error) as error:
        raise InputError(
            "this is no Ed25519 public key", expected="32 bytes in base64", received=repr(public)
        ) from error
    try:
        key.verify(base64.b64decode(signature, validate=True), _signed(manifest))
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise ContractError(
            (
                f"{what} is not signed"
                if not signature
                else f"the signature of {what} is not by the key that the preset names"
            ),
            expected=f"a signature by {public}",
            fix="look where the version comes from; `emotion models sign` signs one that is right",
        ) from error


def _signed(manifest: bytes) -> bytes:
    return PURPOSE + hashlib.sha256(manifest).hexdigest().encode()


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InputError(f"there is no key at {path}", fix=MAKE_ONE) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path} holds no key that can be read",
            expected="an unencrypted Ed25519 key in PEM",
            fix=MAKE_ONE,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"the key in {path} is of another kind",
            expected="Ed25519",
            received=type(key).__name__,
            fix=MAKE_ONE,
        )
    return key
