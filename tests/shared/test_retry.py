"""Which fault is repeated by whom.

Real steps and real clients against real servers, seen through a proxy that breaks answers.
"""

from __future__ import annotations

import doctest
import gc
import itertools
import os
import re
import subprocess
import sys
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from botocore.config import Config

from components.shared import retry
from components.shared.errors import ConflictError, EnvironmentProblem
from components.shared.findings import Evidence
from components.shared.retry import Retry
from components.shared.serialization import from_json
from components.shared.step.frame import TERMINATED
from components.shared.store import google, keys, s3
from components.shared.store.disk import DiskStore
from components.shared.store.interface import open_store, update
from tests.bucket_server import bucket_process
from tests.faulty_proxy import Proxy, proxy_before
from tests.moto_bucket import moto_bucket

PRESET = Path(__file__).resolve().parent / "step" / "preset.json"
SERVERS = {"gs": (bucket_process, "STORAGE_EMULATOR_HOST"), "s3": (moto_bucket, "AWS_ENDPOINT_URL")}
PASSING = ("408", "429", "500", "502", "503", "504", "reset", "lost", "cut")
SOON = Retry(deadline_seconds=30.0, first_wait_seconds=0.02)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """URI of a bucket, and the setting that names its server."""
    bucket, setting = SERVERS[request.param]
    with bucket("emotions") as uri:
        yield uri, setting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the clients leave their sockets to the collector
            gc.collect()


def through(
    server: tuple[str, str], fault: Callable[[str, int], str]
) -> AbstractContextManager[Proxy]:
    address = urllib.parse.urlsplit(os.environ[server[1]])
    return proxy_before(str(address.hostname), int(address.port or 0), fault)


def asked_for(proxy: Proxy, name: str) -> int:
    """Requests for objects of that name.

    Google's client also asks for the bucket, once and in passing.
    """
    return sum(number for path, number in proxy.asked.items() if name in path)


def run(
    server: tuple[str, str], proxy: Proxy | str, store: str, deadline: float, *options: str
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "tests.shared.step.toy_component",
        "resample",
        "--run-id",
        "run-1",
        "--store",
        store,
    ]
    environment = {
        **os.environ,
        server[1]: getattr(proxy, "url", proxy),
        "TOY_DEADLINE_SECONDS": str(deadline),
    }
    return subprocess.run(
        [*command, "--preset", f"@{PRESET}", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_step_goes_on_through_everything_that_passes_and_tells_each_wait(
    server: tuple[str, str],
) -> None:
    # Two requests in turn go through, since Google's client reads an object with its generation by
    # two.
    faults = itertools.cycle(each for fault in PASSING for each in (fault, "", ""))
    store = f"{server[0]}/passing"
    with through(server, lambda path, number: next(faults)) as proxy:
        done = run(server, proxy, store, 30, "--do", "use the store")
    assert done.returncode == 0, done.stderr
    assert all(proxy.met[fault] > 1 for fault in PASSING), proxy.met
    waits = [
        line
        for line in done.stderr.splitlines()
        if re.fullmatch(r"can't \w+ \S+: .+; again in [\d.e-]+ s", line)
    ]
    assert done.stderr.splitlines() == waits
    for status in PASSING[:6]:
        assert f"answered {status}; again in" in done.stderr
    assert f"can't write {store}/toy/" in done.stderr
    assert f"can't list {store}/" in done.stderr
    found = from_json(Evidence, open_store(store).read(keys.evidence("run-1", "resample")) or b"")
    assert (found.status, found.attempts) == ("succeeded", 1)


def test_a_fault_that_stays_ends_the_step_at_the_deadline(server: tuple[str, str]) -> None:
    store = f"{server[0]}/staying"
    with through(server, lambda path, number: "503") as proxy:
        done = run(server, proxy, store, 1)
    *waits, last, failure = done.stderr.splitlines()
    assert done.returncode == EnvironmentProblem.exit_code
    assert 4 < len(waits) < 12
    assert len(waits) + 1 == asked_for(proxy, "evidence")
    assert re.search(r"answered 503; \d+ attempts in 1 s, no more$", last)
    assert re.match(rf"resample failed: can't read {store}/runs/run-1.*503", failure)


def test_a_server_that_refuses_connections_is_waited_for_too(server: tuple[str, str]) -> None:
    with through(server, lambda path, number: "") as proxy:
        pass
    done = run(server, proxy, f"{server[0]}/refusing", 0.5)
    assert done.returncode == EnvironmentProblem.exit_code
    assert "no whole answer (ConnectionRefusedError); again in" in done.stderr


def test_a_step_that_is_forbidden_something_fails_at_once(server: tuple[str, str]) -> None:
    with through(server, lambda path, number: "403") as proxy:
        done = run(server, proxy, f"{server[0]}/forbidden", 30)
    assert done.returncode == EnvironmentProblem.exit_code
    assert asked_for(proxy, "evidence") == 1
    assert done.stderr.count("\n") == 1
    assert "check the bucket's name, its permissions and the connection" in done.stderr


def test_an_answer_that_stays_the_same_is_asked_for_once(
    server: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for status in ("400", "403", "501"):
        with through(server, lambda path, number, status=status: status) as proxy:  # type: ignore[misc]
            monkeypatch.setenv(server[1], proxy.url)
            with pytest.raises(EnvironmentProblem, match=status):
                open_store(f"{server[0]}/refused", retry=SOON).read("champion")
            monkeypatch.undo()
        assert asked_for(proxy, "champion") == 1


def test_a_host_that_does_not_exist_fails_at_once(server: tuple[str, str]) -> None:
    done = run(server, "http://no-such-host.invalid:9000", f"{server[0]}/nowhere", 30)
    assert done.returncode == EnvironmentProblem.exit_code
    assert "again in" not in done.stderr


def test_an_answer_that_never_comes_is_asked_for_again(
    server: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(google.ONCE, "timeout", (1.0, 0.2))
    monkeypatch.setattr(s3, "_ONCE", s3._ONCE.merge(Config(read_timeout=0.2)))
    open_store(f"{server[0]}/late").write("champion", b"one")
    with through(server, lambda path, number: "" if number else "late") as proxy:
        monkeypatch.setenv(server[1], proxy.url)
        assert open_store(f"{server[0]}/late", retry=SOON).read("champion") == b"one"
    assert "no whole answer (TimeoutError); again in" in capfd.readouterr().err


def test_a_conflict_is_never_waited_for(
    server: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    store = open_store(f"{server[0]}/conflict")
    store.write("champion", b"one")
    with pytest.raises(ConflictError):
        store.compare_and_set("champion", None, b"two")
    assert capfd.readouterr().err == ""


def test_the_waits_grow_and_the_last_attempt_is_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [100.0]
    monkeypatch.setattr(
        retry.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])
    with pytest.raises(OSError, match="broken"):
        Retry().call("read it", broken, lambda error: "broken")
    *lines, last = capfd.readouterr().err.splitlines()
    waits = [
        float(line.removeprefix("can't read it: broken; again in ").removesuffix(" s"))
        for line in lines
    ]
    assert sum(waits) == pytest.approx(300.0, rel=0.05)
    assert clock[0] == pytest.approx(400.0)
    assert all(2**n / 2 * 0.9 <= wait <= 2**n for n, wait in enumerate(waits[:6]))
    assert all(30 <= wait <= 60 for wait in waits[6:-1])
    assert last == f"can't read it: broken; {len(waits) + 1} attempts in 300 s, no more"


def broken() -> None:
    raise OSError("broken")


def test_a_process_that_is_asked_to_stop_waits_for_nothing_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] >= 150:
            retry.stop_soon()

    monkeypatch.setattr(retry, "_stopping", False)
    monkeypatch.setattr(retry.time, "sleep", sleep)
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])
    with pytest.raises(OSError, match="broken"):
        Retry().call("read it", broken, lambda error: "broken")
    assert clock[0] <= 151.0, "one wait ends, whatever it was to be"
    with pytest.raises(OSError, match="broken"):
        Retry().call("write down how it ended", broken, lambda error: "broken")
    assert clock[0] == pytest.approx(160.0, abs=1.0)


def test_a_step_that_waits_for_its_store_stops_soon_when_it_is_asked_to(
    server: tuple[str, str],
) -> None:
    with through(server, lambda path, number: "503") as proxy:
        environment = {**os.environ, server[1]: proxy.url, "TOY_DEADLINE_SECONDS": "300"}
        command = [
            sys.executable,
            "-m",
            "tests.shared.step.toy_component",
            "resample",
            "--run-id",
            "run-1",
            "--preset",
            f"@{PRESET}",
        ]
        with subprocess.Popen(
            [*command, "--store", f"{server[0]}/stopping"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "answered 503; again in" in process.stderr.readline()
            process.terminate()
            _, stderr = process.communicate(timeout=30)
    assert process.returncode == TERMINATED
    assert "resample failed: The step was asked to stop; to fix it: run it again." in stderr


def test_the_example_holds() -> None:
    assert doctest.testmod(retry) == (0, 1)


def test_an_update_is_made_anew_from_what_stands_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = DiskStore(tmp_path)
    store.write("ledger", b"a")
    seen: list[bytes | None] = []

    def append(before: bytes | None) -> bytes:
        seen.append(before)
        if len(seen) < 3:
            store.write(
                "ledger", (before or b"") + b"!"
            )  # someone else, between reading and writing
        return (before or b"") + b"b"

    assert update(store, "ledger", append) == store.read("ledger") == b"a!!b"
    assert seen == [b"a", b"a!", b"a!!"]
    assert (
        capfd.readouterr().err.count(
            f"can't change {tmp_path}/ledger: someone else was quicker; again in 0.0"
        )
        == 2
    )


def test_updates_of_many_at_once_lose_nothing(server: tuple[str, str]) -> None:
    def append(number: int) -> None:
        update(
            open_store(f"{server[0]}/updates"),
            "ledger",
            lambda before: (before or b"") + bytes([number]),
        )

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(append, range(12)))
    assert sorted(open_store(f"{server[0]}/updates").read("ledger") or b"") == list(range(12))


def test_an_update_that_changes_nothing_writes_nothing_and_one_that_refuses_is_not_repeated(
    tmp_path: Path,
) -> None:
    store = DiskStore(tmp_path)
    assert update(store, "ledger", lambda before: before) is None
    assert list(tmp_path.iterdir()) == []
    calls = []

    def refuse(before: bytes | None) -> bytes:
        calls.append(before)
        raise ConflictError("not the champion that was judged against")

    with pytest.raises(ConflictError, match="judged against"):
        update(store, "ledger", refuse)
    assert len(calls) == 1


def test_an_update_ends_with_the_conflict_at_the_deadline(tmp_path: Path) -> None:
    store, numbers = DiskStore(tmp_path), itertools.count()

    def overtaken(before: bytes | None) -> bytes:
        store.write("ledger", str(next(numbers)).encode())
        return b"mine"

    with pytest.raises(
        ConflictError,
        match=f"others kept changing {tmp_path}/ledger for 0.3 s; to fix it: run it again",
    ):
        update(store, "ledger", overtaken, Retry(0.3, 0.02, 0.1))
