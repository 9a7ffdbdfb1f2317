"""`emotion models sign` and `verify`: who let a version into the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.deployment.registry import lineage, signatures
from components.shared.artifacts import signing
from components.shared.store.interface import open_store
from pipelines.cli.registry.models import Version
from pipelines.cli.terminal import Model, Store, console


def sign(
    version: Version,
    key: Annotated[
        Path,
        typer.Option(
            help=(
                "Your Ed25519 private key, PEM: `openssl genpkey -algorithm ed25519 -out"
                " signing.pem`."
            )
        ),
    ],
    store: Store = "store",
    model: Model = "",
) -> None:
    """Sign a version.

    The public key that is printed goes into the preset (serving.public_key): then only signed
    versions serve.

    [dim]Example:[/]
      emotion models sign 0123456789ab --key signing.pem
    """
    opened = open_store(store)
    registry, whole = lineage.find(opened, version, model)
    signatures.sign(
        opened, registry.name, whole, signatures.manifest_of(opened, registry.name, whole), key
    )
    console.print(
        f"{registry.name}: {whole} is signed; public key {signing.public_key(key)}", soft_wrap=True
    )


def verify(
    version: Version,
    public_key: Annotated[
        str, typer.Option(help="32 bytes in base64, as `emotion models sign` prints them.")
    ],
    store: Store = "store",
    model: Model = "",
) -> None:
    """Check a version's signature; exit code 0 when it is by this key."""
    opened = open_store(store)
    registry, whole = lineage.find(opened, version, model)
    signatures.require(
        opened,
        registry.name,
        whole,
        signatures.manifest_of(opened, registry.name, whole),
        public_key,
    )
    console.print(f"{registry.name}: {whole} is signed by this key")
