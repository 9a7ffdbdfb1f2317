"""The container engine: the machine's own where it has one, else one of ours on a private socket.

python3 -m infra.images.engine find    say where an engine answers; exit code 5 when none does
python3 -m infra.images.engine up      find or start an engine, and say where it is
python3 -m infra.images.engine down    stop the one that `up` started; --purge removes its images too

Standard library only. On a Debian machine without an engine, root installs Debian's docker.io.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Short, since a socket's path may hold 107 characters at most.
STATE = Path("/var/lib/emotion-engine")
SOCKET = STATE / "docker.sock"
START_SECONDS = 60
# From version 23 on, the client builds with BuildKit only through its buildx plugin.
FIRST_CLIENT_WITHOUT_BUILDKIT = 23


class NoEngine(Exception):
    """There is no engine, and none can be started; says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """A client that can build with BuildKit, and the engine that it talks to.

    Attributes:
        host: ``DOCKER_HOST``; empty for the client's own default.
    """

    client: str
    host: str = ""

    def environment(self) -> dict[str, str]:
        """Return what a docker command needs in its environment."""
        return {
            **os.environ,
            "DOCKER_BUILDKIT": "1",
            **({"DOCKER_HOST": self.host} if self.host else {}),
        }

    def run(self, *arguments: str | Path, check: bool = True) -> str:
        """Run a docker command and return what it prints.

        Raises CalledProcessError with its output.
        """
        done = subprocess.run(
            [self.client, *arguments], env=self.environment(), capture_output=True, text=True
        )
        if check and done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, [self.client, *arguments], done.stdout, done.stderr
            )
        return done.stdout


def find_engine() -> Engine | None:
    """Return an engine that answers.

    The one that the environment names, else the one that `start` started.
    """
    for client in _clients(os.environ):
        for host in ("", f"unix://{SOCKET}"):
            engine = Engine(client, host)
            if _answers(engine):
                return engine
    return None


def start() -> Engine:
    """Return an engine that answers, started if need be.

    Raises:
        NoEngine: none is running and none can be started here.
    """
    found = find_engine()
    if found is not None:
        return found
    if os.geteuid() != 0:
        raise NoEngine("no container engine answers; start Docker, or run this as root on Debian")
    if shutil.which("dockerd") is None:
        _install()
    STATE.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        "dockerd",
        "--host",
        f"unix://{SOCKET}",
        "--data-root",
        STATE / "data",
    ]
    command += ["--exec-root", STATE / "exec", "--pidfile", STATE / "pid"]
    with open(STATE / "log", "wb") as log:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        found = find_engine()
        if found is not None:
            return found
        time.sleep(0.5)
    daemon.terminate()
    words = (STATE / "log").read_text(errors="replace").strip().splitlines()
    raise NoEngine(
        f"the engine did not start; its last words: {words[-1] if words else 'none'}; all of them:"
        f" {STATE / 'log'}"
    )


def stop(*, purge: bool) -> bool:
    """Stop the engine that `start` started. True if one was running."""
    running = False
    try:
        number = int((STATE / "pid").read_text())
        os.kill(number, signal.SIGTERM)
        running = True
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and Path("/proc", str(number)).exists():
            time.sleep(0.2)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass
    if purge:
        if os.path.ismount(
            STATE / "data"
        ):  # the engine mounts its data onto themselves, and leaves that behind
            subprocess.run(["umount", STATE / "data"], check=True)
        shutil.rmtree(STATE, ignore_errors=True)
    return running


def _clients(environment: Mapping[str, str]) -> list[str]:
    """Every docker client on the path that can build with BuildKit."""
    paths = (Path(folder, "docker") for folder in environment.get("PATH", "").split(os.pathsep))
    return [
        str(path) for path in dict.fromkeys(paths) if os.access(path, os.X_OK) and _builds(path)
    ]


def _builds(client: Path) -> bool:
    if subprocess.run([client, "buildx", "version"], capture_output=True).returncode == 0:
        return True
    words = subprocess.run([client, "--version"], capture_output=True, text=True).stdout.split()
    major = words[2].split(".")[0] if len(words) > 2 else ""
    return major.isdecimal() and int(major) < FIRST_CLIENT_WITHOUT_BUILDKIT


def _answers(engine: Engine) -> bool:
    command = [engine.client, "version", "--format", "{{.Server.Version}}"]
    try:
        return (
            subprocess.run(
                command, env=engine.environment(), capture_output=True, timeout=20
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise NoEngine("no container engine is installed; install Docker 20.10 or newer")
    print("installing docker.io …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Debian would start a system-wide engine; ours is private.
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "docker.io"],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise NoEngine(
                f"`{' '.join(command)}` failed:"
                f" {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
            )


def main() -> int:
    """Find, start or stop an engine; an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("find", "up", "down"))
    parser.add_argument(
        "--purge", action="store_true", help="with down: remove its images and data too"
    )
    arguments = parser.parse_args()
    if arguments.command == "down":
        print("stopped" if stop(purge=arguments.purge) else "no engine of ours was running")
        return 0
    try:
        engine = find_engine() if arguments.command == "find" else start()
    except NoEngine as error:
        print(f"engine: {error}", file=sys.stderr)
        return 5
    if engine is None:
        return 5
    print(f"an engine answers at {engine.host or 'its default address'} (client {engine.client})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
