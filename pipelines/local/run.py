"""One run on this machine.

Prepare its folder, run the pipeline, bring home the summary and the report.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, cast, get_args

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import (
    ContractError,
    EmotionError,
    EnvironmentProblem,
    InputError,
    UnknownNameError,
)
from components.shared.preset import Preset
from components.shared.preset.sources import joined_uri, separate_uris
from components.shared.serialization import from_json, to_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import Store, open_store
from infra.images.engine import find_engine
from pipelines import code_version, presets
from pipelines.compiler import compile_pipeline, for_a_desk
from pipelines.local.containers import Containers, engine_at, require_images
from pipelines.local.display import Display
from pipelines.local.environments import environment_python, run_component
from pipelines.local.runner import run_pipeline
from pipelines.resources import Cluster

Runner = Literal["processes", "docker"]

MIN_FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class RunRequest:
    """What a run was asked to do; kept as ``run.json`` in its folder, so that it can be resumed.

    Attributes:
        preset_json: the whole preset, as it was.
        source: one or several, as `components.shared.preset.sources.joined_uri` writes them; empty
            where the preset names them.
        runner: what a step runs as, a process in its environment or a container of its image.
    """

    run_id: str
    preset_json: str
    source: str
    store: str
    force: bool = False
    runner: Runner = "processes"

    @property
    def preset(self) -> Preset:
        """The preset of the run."""
        return from_json(Preset, self.preset_json, "preset")

    @property
    def sources(self) -> tuple[str, ...]:
        """URIs of the images and of what gives them their labels."""
        preset = self.preset.data.sources
        named = separate_uris(self.source) or tuple(source.uri for source in preset)
        return (
            *named,
            *(source.votes for source in preset if source.votes and source.uri in named),
        )


def new_request(
    preset: Preset, source: str, store: str, *, force: bool = False, runner: Runner = "processes"
) -> RunRequest:
    """Return a request for a run that starts now; local paths become absolute."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    if force:
        preset = presets.forced(preset)
    sources = joined_uri([absolute(uri) for uri in separate_uris(source)])
    return RunRequest(
        f"{stamp}-{preset.name}", to_json(preset), sources, absolute(store), force, runner
    )


def runner(name: str) -> Runner:
    """Return the runner called ``name``. Raises UnknownNameError."""
    if name not in get_args(Runner):
        raise UnknownNameError("runner", name, get_args(Runner))
    return cast(Runner, name)


def absolute(uri: str) -> str:
    """Return a local path made absolute; a URI with a scheme as it is."""
    return uri if "://" in uri else str(Path(uri).expanduser().absolute())


def last_request(runs: Path, run_id: str = "") -> RunRequest:
    """Return the request of a run, by default the newest.

    Raises:
        InputError: there is no such run. ContractError: its preset isn't one that this version can
            read.
    """
    path = runs / (run_id or "latest") / "run.json"
    if not path.is_file():
        known = sorted(
            child.name
            for child in runs.glob("*/")
            if (child / "run.json").is_file() and not child.is_symlink()
        )
        raise InputError(
            f"there is no run {run_id or 'yet'} in {runs}",
            expected=f"one of {', '.join(known[-5:])}" if known else "",
            fix="start one with `emotion run`",
        )
    request = from_json(RunRequest, path.read_bytes(), "run.json")
    try:
        from_json(Preset, request.preset_json, "preset")
    except EmotionError as error:
        raise ContractError(
            f"run {request.run_id} was started by another version of this program",
            received=str(error).partition(";")[0],
            fix="start a new run; the report of this one stays as it was written",
        ) from error
    return request


def preflight(
    request: RunRequest,
    runs: Path,
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
) -> None:
    """Refuse early, in one clear line, what could not work.

    Raises:
        InputError: the source is missing. EnvironmentProblem: a folder can't be written, the disk
            is full or an environment is missing.
    """
    for uri in request.sources:
        if "://" not in uri and not Path(uri).exists():
            raise InputError(
                f"there is nothing at {uri}",
                expected="a folder, an archive or a table of images",
                fix="check the path given as --data (DATA=)",
            )
    folders = [runs] if "://" in request.store else [runs, Path(request.store)]
    for folder in folders:
        _require_writable(folder)
        free = free_bytes(folder)
        if free < MIN_FREE_BYTES:
            raise EnvironmentProblem(
                f"too little space for {folder}",
                expected=f"{MIN_FREE_BYTES / 1e6:.0f} MB free",
                received=f"{free / 1e6:.0f} MB",
                fix="free some space, or choose another folder with --runs and --store",
            )
    if request.runner == "processes":
        for name in code_version.COMPONENTS:
            environment_python(f"emotion-{name}")


def execute(request: RunRequest, runs: Path, display: Display) -> dict[str, Any]:
    """Run or resume a request and return its summary, which also stands as ``summary.json`` in the run's folder.

    Raises:
        ContractError: the run ended without leaving a summary (the report step itself failed).
    """
    began = time.monotonic()
    folder = runs / request.run_id
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "run.json", to_pretty_json(request).encode())
    _point_latest(runs, request.run_id)
    store = open_store(request.store)
    key = f"{keys.run(request.run_id)}/summary.json"
    before = store.read(key)
    exit_codes = run_pipeline(
        for_a_desk(compile_pipeline(code_version.image_references("localhost"), Cluster())),
        {
            "preset": request.preset_json,
            "source": request.source,
            "store": request.store,
            "run_id": request.run_id,
            "code_version": code_version.code_version(),
            "force": request.force,
        },
        folder,
        display,
        _containers(request),
    )
    content = store.read(key)
    if content is None or (content == before and exit_codes.get("report") != 0):
        raise ContractError(
            f"run {request.run_id} left no summary",
            fix=f"see {folder / 'log.txt'}, then `emotion run --resume`",
        )
    summary: dict[str, Any] = json.loads(content)
    summary |= {
        "exit_codes": exit_codes,
        "install_seconds": _install_seconds(),
        "wall_seconds": round(time.monotonic() - began, 1),
        "git_commit": code_version.git_commit(),
    }
    if bring_home(store, request.run_id, folder):
        summary["report"] = str(folder / "report.html")
    with suppress(
        EnvironmentProblem
    ):  # a run in containers may have no environment here; the store holds the page too
        run_component("reporting", ["index", "--store", request.store, "--home", runs.absolute()])
    write_atomically(folder / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def bring_home(store: Store, run_id: str, folder: Path) -> bool:
    """Copy a run's report, and what it links to, from the store into the run's folder.

    False where there is no report.
    """
    for key in store.list(keys.run(run_id)):
        name = key.removeprefix(f"{keys.run(run_id)}/")
        if name in ("report.html", "notification.json", "doubtful_labels.csv") or name.startswith(
            "data_docs/"
        ):
            write_atomically(folder / name, store.read(key) or b"")
    return (folder / "report.html").is_file()


def _containers(request: RunRequest) -> Containers | None:
    """Return what the run's containers see.

    The store, and the sources on this machine read-only.
    """
    if request.runner == "processes":
        return None
    engine = find_engine()
    if engine is None:
        raise EnvironmentProblem(
            "no container engine answers", fix="start Docker, or run `make engine-up`"
        )
    with engine_at(engine.host):
        require_images(list(code_version.image_references("localhost").values()))
    remote = any("://" in uri for uri in (request.store, *request.sources))
    return Containers(
        engine.host,
        writable=tuple(Path(uri) for uri in (request.store,) if "://" not in uri),
        readable=tuple(Path(uri) for uri in request.sources if "://" not in uri),
        network="bridge" if remote else "none",
    )


def _require_writable(folder: Path) -> None:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"can't write to {folder}: {error.strerror}",
            fix="choose another folder with --runs or --store, or change its permissions",
        ) from error


def _point_latest(runs: Path, run_id: str) -> None:
    link, temporary = runs / "latest", runs / f".latest-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run_id, target_is_directory=True)
    os.replace(temporary, link)


def _install_seconds() -> float:
    """How long the installation right before this run took.

    Told once, 0 when everything stood already.
    """
    record = code_version.ROOT / ".venvs" / "install.json"
    if not record.is_file():
        return 0.0
    seconds = float(json.loads(record.read_text())["seconds"])
    record.unlink()
    return seconds
