"""Failed requests of a steady client while a version is rolled out, paused, aborted, sent back, and its deploy pod killed.

    make bench NAME=rollout

The rollout's own driver on a strict stand-in for Kubernetes and KServe in Standard mode
(tests/deployment/rollout), with real requests: a client asks a gateway on loopback, the gateway
asks predictors on loopback, which listen only while their pods are ready. The gateway routes by a
changed HTTPRoute at once, two or ten seconds after it was written. The cluster's clock runs twenty
times as fast as the machine's; about two minutes in all. There is no peer: the bar is that no
request fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "deployment" / "bin" / "python"
LAGS = (0.0, 2.0, 10.0)
AFTER_SECONDS = (
    15.0  # that the client still asks once a case has ended: longer than any gateway lags
)

if TYPE_CHECKING:
    from tests.deployment.rollout.live import LiveWorld

OLD, NEW = "0" * 12, "1" * 12


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--inside", action="store_true", help=argparse.SUPPRESS
    )  # this file again, in the deployment environment
    if not parser.parse_args().inside:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [PYTHON, __file__, "--inside"], env=environment, check=False
        ).returncode
    with ThreadPoolExecutor(len(LAGS)) as pool:
        tables = list(pool.map(table, LAGS))
    figures = []
    print(f"{'case':<44}{'gateway lags':>14}{'requests':>10}{'failures':>10}{'ends':>14}")
    for case in tables[0]:
        for lag, rows in zip(LAGS, tables, strict=True):
            requests, failures, outcome = rows[case]
            print(f"{case:<44}{lag:>12g} s{requests:>10,}{len(failures):>10}{outcome:>14}")
            for failure in failures[:3]:
                print(f"    {failure}")
            figures.append(
                figure(
                    f"failed requests of {requests:,}, {case}, gateway lags {lag:g} s",
                    len(failures),
                    enough=requests > 100,
                )
            )
    print(json.dumps({"name": "rollout", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def table(lag: float) -> dict[str, tuple[int, list[str], str]]:
    """Requests, failures and how the rollout ended, by case."""
    good = [(phase, percent) for phase, percent in states(lag, bad=False) if phase != "serving"]
    bad = [
        (phase, percent)
        for phase, percent in states(lag, bad=True)
        if phase in ("rolling-back", "draining")
    ]
    cases: dict[str, Callable[[LiveWorld], str]] = {
        "start to 100 %, then the version before again": started,
        "paused at 10 %, resumed": paused,
        "aborted at 50 %": aborted,
        "sent back at 100 %": sent_back,
    }
    cases |= {
        f"deploy pod killed at {phase} {percent} %": killed(phase, percent, bad=False)
        for phase, percent in good
    }
    cases |= {
        f"deploy pod killed at {phase}": killed(phase, percent, bad=True) for phase, percent in bad
    }
    return {name: played(lag, case) for name, case in cases.items()}


def played(lag: float, case: Callable[[LiveWorld], str]) -> tuple[int, list[str], str]:
    """One case on a cluster of its own, on which a version serves."""
    from tests.deployment.rollout.live import live

    with live(lag) as world:
        world.behave(OLD, NEW)
        world.deploy(OLD)
        world.wait(lag + 1)
        outcome = case(world)
        world.wait(AFTER_SECONDS)
    return world.asked.requests, world.asked.failures, outcome


def states(lag: float, *, bad: bool) -> list[tuple[str, int]]:
    """Every state that a rollout goes through, as the driver writes them."""
    from tests.deployment.rollout.live import live

    with live(lag) as world:
        world.behave(OLD, NEW)
        world.deploy(OLD)
        world.applied.clear()
        spoil(world, bad=bad)
        world.deploy(NEW)
    return list(dict.fromkeys(world.applied))


def spoil(world: LiveWorld, *, bad: bool = True) -> None:
    """Let golden requests to the new version fail once it has all of the traffic."""
    from tests.deployment.rollout.support import Answers

    if bad:
        world.prober.answers[NEW] = Answers(fails_at=100)


def started(world: LiveWorld) -> str:
    world.deploy(NEW)
    return world.deploy(OLD).outcome


def paused(world: LiveWorld) -> str:
    thread = at(world, 10, f"pause {world.wanted(NEW).new.name}")
    assert world.deploy(NEW).outcome == "paused"
    thread.join()
    world.wait(AFTER_SECONDS)
    world.cluster.request("")
    return world.resume().outcome


def aborted(world: LiveWorld) -> str:
    thread = at(world, 50, f"abort {world.wanted(NEW).new.name}")
    outcome = world.deploy(NEW).outcome
    thread.join()
    return outcome


def sent_back(world: LiveWorld) -> str:
    spoil(world)
    return world.deploy(NEW).outcome


def killed(phase: str, percent: int, *, bad: bool) -> Callable[[LiveWorld], str]:
    """The driver dies right after it wrote a state; five seconds later another one goes on."""

    def case(world: LiveWorld) -> str:
        from tests.deployment.rollout.support import Killed

        spoil(world, bad=bad)
        world.dies_after = (phase, percent)
        try:
            world.deploy(NEW)
        except Killed:
            world.wait(5)
            return world.resume().outcome
        raise AssertionError(f"the driver never came to {phase} {percent} %")

    return case


def at(world: LiveWorld, percent: int, request: str) -> threading.Thread:
    """A person who asks for something once the gateway sends so much to the new version."""

    def person() -> None:
        while world.routed_share(NEW) != percent:
            world.wait(0.5)
        world.cluster.request(request)

    thread = threading.Thread(target=person)
    thread.start()
    return thread


def figure(what: str, failures: int, *, enough: bool) -> dict[str, Any]:
    """One claim: no request failed, of enough to say so."""
    return {
        "what": what,
        "ours": failures,
        "peer": None,
        "ratio": None,
        "bar": 0,
        "met": failures == 0 and enough,
    }


if __name__ == "__main__":
    sys.exit(main())
