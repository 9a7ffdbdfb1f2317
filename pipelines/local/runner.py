"""Run the compiled pipeline on this machine through `kfp.local`, each step in its component's environment.

kfp's subprocess runner refuses container components, but looks its task handler up as a module
attribute at call time. `EnvironmentTaskHandler` stands in its place while a run is under way, and
`ContainerTaskHandler` in that of the Docker runner: this file is the only one that replaces them
(kfp is pinned, and a contract test guards the seam).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from kfp import components, local
from kfp.local import docker_task_handler, status, subprocess_task_handler

from pipelines.code_version import ROOT
from pipelines.local.containers import Containers, ContainerTaskHandler, container_runner, engine_at
from pipelines.local.display import Display, tell
from pipelines.local.environments import environment_python
from pipelines.local.outputs import prepare_outputs

_GRACE_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1


class EnvironmentTaskHandler:
    """kfp's task handler interface: one resolved command in, a status out."""

    display: Display
    log: IO[str]
    exit_codes: dict[str, int]

    def __init__(
        self,
        image: str,
        full_command: list[str],
        pipeline_root: str,
        runner: Any,
        env_vars: dict[str, str] | None = None,
    ) -> None:
        self.image = image
        self.command = full_command
        self.env_vars = env_vars or {}

    def run(self) -> status.Status:
        """See `SubprocessTaskHandler.run`."""
        step = self.command[3]
        prepare_outputs(self.command)
        self.display.started(step)
        began = time.monotonic()
        process = self._start()
        with cast(IO[str], process.stdout) as output:
            try:
                for line in output:
                    tell(self.display, self.log, step, line)
                code = process.wait()
            except BaseException:
                _stop(process)
                raise
        self.exit_codes[step] = code
        self.display.finished(step, time.monotonic() - began, code)
        return status.Status.SUCCESS if code == 0 else status.Status.FAILURE

    def _start(self) -> subprocess.Popen[str]:
        python = environment_python(self.image)
        environment = {
            **os.environ,
            **self.env_vars,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "EMOTION_IMAGE": self.image,
        }
        # Its own session: Ctrl-C reaches the step through `_stop` only, which waits for it to clean
        # up.
        return subprocess.Popen(
            [str(python), *self.command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            errors="replace",
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def run_pipeline(
    compiled: str,
    arguments: dict[str, Any],
    folder: Path,
    display: Display,
    containers: Containers | None = None,
) -> dict[str, int]:
    """Run a compiled pipeline; finished tasks of an earlier attempt in the same folder are skipped.

    Args:
        compiled: YAML of the pipeline. arguments: of the pipeline. folder: of this run.
        containers: run each step in its image, with these mounts; by default as a process in its
            environment.

    Returns:
        Exit code of each step that ran.
    """
    exit_codes: dict[str, int] = {}
    # kfp wants it, though no step of ours uses one, and removes it after the run. By default it
    # lies in the temporary folder, where a run that is killed would leave it for ever.
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    local.init(
        runner=(
            local.SubprocessRunner(use_venv=False)
            if containers is None
            else container_runner(containers, folder)
        ),
        pipeline_root=str(folder / "artifacts"),
        workspace_root=str(workspace),
        raise_on_error=False,
        enable_caching=True,
        cache_root=str(folder / "cache"),
    )
    with (
        open(folder / "log.txt", "a") as log,
        engine_at(containers.host) if containers else contextlib.nullcontext(),
        _our_handlers(display, log, exit_codes),
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings(
            "ignore", message=".*have no effect in the current local runner", category=UserWarning
        )
        components.load_component_from_text(compiled)(**arguments)
    return exit_codes


@contextlib.contextmanager
def _our_handlers(display: Display, log: IO[str], exit_codes: dict[str, int]) -> Iterator[None]:
    members = {"display": display, "log": log, "exit_codes": exit_codes}
    processes, containers = (
        subprocess_task_handler.SubprocessTaskHandler,
        docker_task_handler.DockerTaskHandler,
    )
    subprocess_task_handler.SubprocessTaskHandler = type(
        "Handler", (EnvironmentTaskHandler,), members
    )
    docker_task_handler.DockerTaskHandler = type("Handler", (ContainerTaskHandler,), members)
    try:
        yield
    finally:
        subprocess_task_handler.SubprocessTaskHandler = processes
        docker_task_handler.DockerTaskHandler = containers


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask the step's whole process group to stop, wait, then insist."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wish)
        try:
            process.wait(_GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        # The step has ended; whatever it started and left goes too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
