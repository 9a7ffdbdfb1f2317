"""What commands that speak to Kubeflow Pipelines share: where it is, and who is asking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.shared.errors import InputError
from pipelines import presets

if TYPE_CHECKING:
    from pipelines.cluster.client import Kubeflow

PresetName = Annotated[
    str, typer.Option("--preset", help="Name of a preset; `emotion presets` lists them.")
]
Name = Annotated[str, typer.Option("--name", help="Of the schedule; PRESET-nightly by default.")]
Host = Annotated[
    str,
    typer.Option(
        envvar="KF_PIPELINES_ENDPOINT",
        help=(
            "Address of Kubeflow Pipelines. In a pod of the cluster its service is found by itself;"
            " from elsewhere `kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888` makes it"
            " http://localhost:8888."
        ),
    ),
]
Auth = Annotated[
    str,
    typer.Option(
        help=(
            "Who you are to it. A secret is never written on the command line, but read from a file"
            " or a variable:\n\n• in-cluster: the token that Kubernetes mounts for"
            " pipelines.kubeflow.org (in-cluster:PATH where it is mounted elsewhere)\n\n•"
            " token-file:PATH: a bearer token; read again when it changes\n\n• token-env:NAME: a"
            " bearer token in that environment variable\n\n• iap:CLIENT_ID: Google's Identity-Aware"
            " Proxy, as the service account of this machine; as a person, with"
            " KF_PIPELINES_APP_OAUTH2_CLIENT_ID and KF_PIPELINES_APP_OAUTH2_CLIENT_SECRET set,"
            " through a browser\n\n• cookie-file:PATH, cookie-env:NAME: Dex's session, as the"
            " browser holds it: authservice_session=…, oauth2_proxy_kubeflow=…\n\n• none: an"
            " address that asks for nothing, such as a port-forward\n\nBy default in-cluster where"
            " that token is mounted, else none; iap where KF_PIPELINES_IAP_OAUTH2_CLIENT_ID is set."
        )
    ),
]
Namespace = Annotated[
    str, typer.Option(help="Your profile's namespace, where Kubeflow has several users.")
]
CaFile = Annotated[
    Path | None, typer.Option(help="Certificates to trust, where the address has one of your own.")
]


def connect(host: str, auth: str, namespace: str, ca_file: Path | None) -> Kubeflow:
    """Return the client of Kubeflow Pipelines for these options."""
    from pipelines.cluster.client import (
        Kubeflow,
    )  # kfp takes seconds to import; `emotion --help` need not wait for it

    return Kubeflow(host, auth, namespace, ca_file)


def schedule_name(name: str, preset: str) -> str:
    """Return the schedule's name: as given, else the preset's own. Raises InputError."""
    return named("schedule", name) or f"{presets.preset(preset).name}-nightly"


def named(what: str, name: str) -> str:
    """Return a name that a person gave, or nothing: it becomes part of keys and of commands to copy. Raises InputError."""
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise InputError(
            f"a {what} can't be called {name!r}",
            expected="up to 100 letters, digits, dots, dashes and underscores",
        )
    return name
