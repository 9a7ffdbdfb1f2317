"""What a rollout asks the cluster against the role that infra/kustomize gives it.

Enough, and nothing more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.shared.errors import EnvironmentProblem
from tests.deployment.rollout.support import NEW, NEWER, OLD, Answers, World

BASE = Path(__file__).resolve().parents[3] / "infra" / "kustomize" / "base"
ADDRESS = re.compile(
    r"/(?:api|apis/(?P<group>[\w.-]+))/v\w+/namespaces/emotion/(?P<resource>\w+)(?P<name>/[\w.-]+)?$"
)


def granted() -> set[tuple[str, str, str]]:
    """Group, resource and verb of every right of the deploy step where models are served."""
    (role,) = [
        each
        for each in yaml.safe_load_all((BASE / "serve.yaml").read_text())
        if each["kind"] == "Role"
    ]
    return {
        (group, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    }


def asked_for(world: World) -> set[tuple[str, str, str]]:
    """The rights behind every request of two rollouts, one of them sent back, a pause, and a look at all of them."""
    asked: set[tuple[str, str, str]] = set()
    handle = world.kserve.handle

    def recorded(method: str, url: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        found = ADDRESS.match(url.removeprefix("http://fake").partition("?")[0])
        assert found, url
        what = (found["group"] or "", found["resource"])
        if method == "GET":
            asked.add((*what, "get" if found["name"] else "list"))
        elif method == "DELETE":
            asked.add((*what, "delete"))
        else:
            assert method == "PATCH"
            asked.add((*what, "patch"))
            if (
                headers["Content-Type"] == "application/apply-patch+yaml"
                and world.kserve.service is None
            ):
                asked.add((*what, "create"))  # an apply that makes the object
        return handle(method, url, headers, body)

    world.kserve.handle = recorded  # type: ignore[method-assign]
    assert world.deploy(OLD).outcome == world.deploy(NEW).outcome == "serving"
    world.prober.answers[NEWER] = Answers(wrong="HTTP 500")
    assert world.deploy(NEWER).outcome != "serving"
    world.cluster.request("pause x")
    seen = world.cluster.look()
    assert seen is not None
    assert seen.rollout is not None
    world.cluster.addresses(seen.rollout, seen.rollout.new)
    world.cluster.names()
    with pytest.raises(EnvironmentProblem, match="has no claim faces"):
        world.cluster.require_claim("pvc://faces/store")
    return asked


def test_the_role_holds_what_rollouts_ask_for_and_no_more() -> None:
    assert asked_for(World("Standard")) | asked_for(World("Knative")) == granted()
