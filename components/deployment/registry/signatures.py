"""Signatures of the registry's versions.

Put beside a version when it is let in, asked for before it serves.
"""

from __future__ import annotations

from pathlib import Path

from components.shared.artifacts import signing
from components.shared.artifacts.contract import MARKERS
from components.shared.store import keys
from components.shared.store.interface import Store


def sign(store: Store, model_name: str, version: str, manifest: bytes, key: Path) -> str:
    """Sign a version's manifest and keep the signature. Doing it again changes nothing.

    Raises InputError for a bad key.
    """
    signature = signing.sign(manifest, key)
    store.write(keys.signature(model_name, version), signature.encode())
    return signature


def require(store: Store, model_name: str, version: str, manifest: bytes, public_key: str) -> str:
    """Return a version's signature, proved to be by this key.

    Raises ContractError when it isn't, or there is none.
    """
    signature = (store.read(keys.signature(model_name, version)) or b"").decode()
    signing.verify(manifest, signature, public_key, f"version {version} of {model_name}")
    return signature


def manifest_of(store: Store, model_name: str, version: str) -> bytes:
    """Return the manifest of a version as it stands in the store; empty where there is none."""
    return store.read(f"{keys.version(model_name, version)}/{MARKERS['model']}") or b""


def sealed(
    store: Store, model_name: str, version: str, manifest: bytes, key: Path, public_key: str
) -> str:
    """Return the signature of a version that is about to be let in.

    Signed where a key lies, proved where a public key is named.

    Args:
        key: file of the private key; without it nothing is signed here. public_key: empty when
            signatures aren't asked for.

    Raises:
        ContractError: a public key is named, and no signature by it stands.
    """
    if key.is_file():
        sign(store, model_name, version, manifest, key)
    return require(store, model_name, version, manifest, public_key) if public_key else ""
