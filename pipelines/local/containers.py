"""The same local run in containers: kfp's DockerRunner on the components' images.

kfp starts a container detached and asks for its end later. What it doesn't do is done here: show
progress, stop the container on Ctrl-C, and refuse a success without outputs, since kfp takes a
container that vanished for one that succeeded.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
from kfp import local
from kfp.local import docker_task_handler, status

from components.shared.errors import EnvironmentProblem
from pipelines.local.display import Display, tell
from pipelines.local.outputs import declared_outputs, prepare_outputs

STOP_SECONDS = 15


@dataclass(frozen=True)
class Containers:
    """What the containers of a run see of this machine.

    Attributes:
        host: address of the engine; empty for the default one.
        writable, readable: folders mounted under their own paths, beside the run's own folder.
        network: none keeps a step from everything but its mounts; a gs:// or s3:// store needs one.
    """

    host: str
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]
    network: str = "none"


def container_runner(containers: Containers, folder: Path) -> local.DockerRunner:
    """Return kfp's runner with our limits.

    This user, a read-only file system, no capabilities, no new privileges.
    """
    mounts = [
        docker.types.Mount(str(path), str(path), type="bind")
        for path in (*containers.writable, folder)
    ]
    mounts += [
        docker.types.Mount(str(path), str(path), type="bind", read_only=True)
        for path in containers.readable
    ]
    return local.DockerRunner(
        mounts=mounts,
        user=f"{os.getuid()}:{os.getgid()}",
        read_only=True,
        tmpfs={"/tmp": "exec"},  # noqa: S108 - a file system of the container's own
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode=containers.network,
        shm_size="1g",
    )


class ContainerTaskHandler(docker_task_handler.DockerTaskHandler):
    """kfp's handler, which tells how the step goes and stops its container when the run is interrupted."""

    display: Display
    log: IO[str]
    exit_codes: dict[str, int]
    runner: Any
    env_vars: dict[str, str]

    def run(self) -> status.Status:
        """See `DockerTaskHandler.run`."""
        step = self.full_command[3]
        prepare_outputs(self.full_command)
        name = f"emotion-{step}-{uuid.uuid4().hex[:8]}"
        settings = {
            **self.runner.container_run_args,
            "name": name,
            "environment": {"EMOTION_IMAGE": self.image, **self.env_vars},
        }
        self.runner = local.DockerRunner(**settings)
        self.env_vars = {}
        self.display.started(step)
        began = time.monotonic()
        try:
            with contextlib.redirect_stdout(
                _Lines(lambda line: tell(self.display, self.log, step, line))
            ):
                result = super().run()
        except BaseException:
            _stop(name)
            raise
        missing = [path for path in declared_outputs(self.full_command) if not path.exists()]
        if result is status.Status.SUCCESS and missing:
            tell(
                self.display,
                self.log,
                step,
                f"{step} failed: its container ended without {missing[0].name}.\n",
            )
            result = status.Status.FAILURE
        code = 0 if result is status.Status.SUCCESS else 1
        self.exit_codes[step] = code
        self.display.finished(step, time.monotonic() - began, code)
        return result


@contextlib.contextmanager
def engine_at(host: str) -> Iterator[None]:
    """Have Docker's client, which kfp opens by itself, talk to one engine.

    Raises:
        EnvironmentProblem: no engine answers there.
    """
    before = os.environ.get("DOCKER_HOST")
    if host:
        os.environ["DOCKER_HOST"] = host
    try:
        with contextlib.closing(docker.from_env()) as client:
            client.ping()
        yield
    except docker.errors.DockerException as error:
        raise EnvironmentProblem(
            f"the container engine failed: {error}", fix="start one with `make engine-up`"
        ) from error
    finally:
        if host and before is None:
            del os.environ["DOCKER_HOST"]
        elif before is not None:
            os.environ["DOCKER_HOST"] = before


def require_images(images: Sequence[str]) -> None:
    """Refuse early where an image isn't built. Raises EnvironmentProblem."""
    with contextlib.closing(docker.from_env()) as client:
        for image in images:
            try:
                client.images.get(image)
            except docker.errors.ImageNotFound as error:
                raise EnvironmentProblem(
                    f"the image {image} isn't built", fix="run `make images`"
                ) from error


class _Lines(io.TextIOBase):
    """A text stream that hands on whole lines."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = ""

    def write(self, text: str) -> int:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self._tell(f"{line}\n")
        return len(text)


def _stop(name: str) -> None:
    with (
        contextlib.closing(docker.from_env()) as client,
        contextlib.suppress(docker.errors.APIError),
    ):
        client.containers.get(name).stop(timeout=STOP_SECONDS)
