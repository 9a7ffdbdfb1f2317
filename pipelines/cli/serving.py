"""`emotion predict` and `emotion serve`: a version at your desk, answered by the code that serves in a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from components.deployment.registry import lineage
from components.deployment.registry.registry import Registry, model_names
from components.shared.artifacts.contract import MARKERS
from components.shared.errors import InputError
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines.cli.terminal import Model, Store
from pipelines.local.environments import run_component

Version = Annotated[
    str, typer.Option("--version", help="A version, or its first digits; the champion by default.")
]
Faces = Annotated[
    bool,
    typer.Option("--faces", help="Photos, not crops of faces: find the faces and answer each."),
]


def predict(
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", help="An image file; may be given several times."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Every image file below a folder.")
    ] = None,
    faces: Faces = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line instead of a table.")
    ] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(
            "--annotate", help="Folder for the pictures with their answers drawn on them."
        ),
    ] = None,
    store: Store = "store",
    model: Model = "",
    version: Version = "",
) -> None:
    """Name the emotion that image files show, without a server.

    Exit code 2 when one of them couldn't be read; the others are answered all the same.

    [dim]Examples:[/]
      emotion predict --image face.jpg
      emotion predict --folder holiday --faces --annotate annotated
      emotion predict --folder faces --json --version 0123456789ab
    """
    arguments: list[str | Path] = ["predict", "--model-dir", _folder(store, model, version)]
    arguments += ["--image", *image] if image else []
    arguments += ["--folder", folder] if folder else []
    arguments += ["--annotate", annotate] if annotate else []
    raise typer.Exit(
        run_component("serving", [*arguments, *["--faces"] * faces, *["--json"] * json])
    )


def serve(
    port: Annotated[int, typer.Option(help="HTTP port.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    faces: Annotated[
        bool,
        typer.Option(
            "--faces/--crops", help="Find the faces in photos, or take each image for a face."
        ),
    ] = True,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="A page at / for photos and the camera.")
    ] = True,
    store: Store = "store",
    model: Model = "",
    version: Version = "",
) -> None:
    """Serve the champion on this machine, with a page for photos and the camera. Ctrl-C ends it.

    [dim]Examples:[/]
      emotion serve
      emotion serve --port 9000 --crops
      curl --data-binary @face.jpg -H 'content-type: image/jpeg'
      localhost:8080/v1/models/MODEL:predict
    """
    arguments: list[str | Path] = [
        "serve",
        "--model-dir",
        _folder(store, model, version),
        "--host",
        host,
        "--port",
        str(port),
        "--grpc",
        "off",
    ]
    if page:
        typer.echo(
            f"open http://{'localhost' if host == '127.0.0.1' else host}:{port}/ · Ctrl-C ends"
        )
    raise typer.Exit(
        run_component("serving", [*arguments, *["--faces"] * faces, *["--page"] * page])
    )


def _folder(store: str, model: str, version: str) -> Path:
    """Return a local folder with the wanted version.

    What comes from a bucket is kept in the user's cache.
    """
    opened = open_store(store)
    if version:
        registry, version = lineage.find(opened, version, model)
    else:
        registry, version = _champion(
            [Registry(opened, name) for name in ([model] if model else model_names(opened))],
            opened.uri,
        )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotion-retraining"
    return opened.get_tree(keys.version(registry.name, version), MARKERS["model"], cache).absolute()


def _champion(registries: list[Registry], where: str) -> tuple[Registry, str]:
    champions = [
        (registry, champion.version)
        for registry in registries
        if (champion := registry.pointers().champion)
    ]
    if not champions:
        raise InputError(
            f"{where} has no champion",
            expected="a model that was promoted",
            fix="`emotion run` makes one; or give --version",
        )
    if len(champions) > 1:
        names = ", ".join(registry.name for registry, _ in champions)
        raise InputError(f"{where} has several models", expected=f"--model, one of {names}")
    return champions[0]
