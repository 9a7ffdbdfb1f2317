"""A predictor process on a loopback port, under the limits of its container.

Start, wait until ready, always stop.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from components.serving.predictor.limits import Memory, few_cpus, limit_memory, starved
from components.shared.errors import ContractError, EnvironmentProblem
from components.shared.preset import ServingPolicy

HOST = "127.0.0.1"
READY_SECONDS = 120.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
TAIL_LINES = 15


@dataclass(frozen=True)
class Server:
    """A started predictor.

    Attributes:
        name: of the model in URLs. log: what it printed. started: time.monotonic() of its start.
    """

    who: str
    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    started: float
    memory: Memory = field(default_factory=Memory)


@contextmanager
def running(
    who: str, name: str, folder: Path, scratch: Path, policy: ServingPolicy
) -> Iterator[Server]:
    """Start a predictor on a model artifact, and stop it at the end, whatever happens.

    It stays in this process's group, so that what ends the group ends it, and ends itself when its
    standard input closes, which also a kill of this process does.

    Args:
        who: it is, in messages. name: of the model in URLs.
        policy: what the predictor's container may take, and whether it looks for faces.
    """
    server = _start(who, name, folder, scratch / f"server-{who}.log", policy)
    try:
        yield server
    finally:
        _stop(server)


def wait_until_ready(server: Server, timeout_seconds: float = READY_SECONDS) -> float:
    """Seconds from start to readiness.

    Raises:
        ContractError: the server refused its artifact, or needs more memory than its container has.
        EnvironmentProblem: it ended or wasn't ready in time; the message holds its last lines.
    """
    while not _is_ready(server):
        require_alive(server)
        if time.monotonic() - server.started > timeout_seconds:
            raise EnvironmentProblem(
                f"the {server.who}'s server wasn't ready in {timeout_seconds:.0f} s",
                received=f"its last lines: {tail(server.log)}",
            )
        time.sleep(POLL_SECONDS)
    return time.monotonic() - server.started


def require_alive(server: Server) -> None:
    """Look at a server's memory.

    Raises:
        ContractError: it ended since it refused its artifact, or it got no more memory, whether it
            ended or not.
        EnvironmentProblem: it ended for another reason.
    """
    server.memory.look(server.process.pid)
    code = server.process.poll()
    if starved(server.log.read_text(errors="replace")):
        raise ContractError(
            f"the {server.who}'s server doesn't fit into the memory of its container",
            expected=f"at most {server.memory.limit / 1e6:,.0f} MB",
            received=(
                f"{server.memory.taken / 1e6:,.0f} MB when it asked for more; its last lines:"
                f" {tail(server.log)}"
            ),
            fix="raise serving.memory in the preset, or train a smaller model",
        )
    if code is None:
        return
    kind = ContractError if code == ContractError.exit_code else EnvironmentProblem
    raise kind(
        f"the {server.who}'s server ended with {code}",
        expected=f"a server that stays, with {server.memory.limit / 1e6:,.0f} MB of memory",
        received=f"{server.memory.taken / 1e6:,.0f} MB taken; its last lines: {tail(server.log)}",
    )


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; held together, so that they differ."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [int(held.getsockname()[1]) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def tail(log: Path) -> str:
    """Return the last lines of a log, in one."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " | ".join(line.strip() for line in lines[-TAIL_LINES:] if line.strip()) or "nothing"


def _start(who: str, name: str, folder: Path, log: Path, policy: ServingPolicy) -> Server:
    (port,) = free_ports(1)
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(folder),
        "--model-name",
        name,
    ]
    command += [
        "--host",
        HOST,
        "--port",
        str(port),
        "--grpc",
        "off",
        "--stop-with-input",
        *["--faces"] * policy.faces,
    ]
    with open(log, "wb") as stream, few_cpus(policy.cpus):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT
        )
    limit_memory(process.pid, policy.memory_bytes)
    return Server(who, name, port, process, log, time.monotonic(), Memory(policy.memory_bytes))


def _stop(server: Server) -> None:
    with suppress(OSError):
        server.process.terminate()
    if server.process.stdin:
        server.process.stdin.close()
    try:
        server.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


def _is_ready(server: Server) -> bool:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=2)
    try:
        connection.request("GET", f"/v2/models/{server.name}/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
