"""A cluster with KServe as a process of its own, for tests of other environments.

Prints its addresses as JSON, ends with its stdin.

``python -m tests.deployment.rollout.cluster_process``. The Kubernetes API is that of `KServe` in
real time; the predictors answer what the golden images expect, each for the version of the workload
that the request's host names. ``GET /traffic`` of their server tells the share of each version and
what `KServe` counted as a violation.
"""

from __future__ import annotations

import json
import re
import sys
import time

from tests.deployment.builders import PRESET
from tests.deployment.rollout.kserve import Behaviour, Json, KServe
from tests.deployment.rollout.over_http import Answering, api_server, serving

LABELS = PRESET.data.labels
EXPECTED = [1.0] + [0.0] * (len(LABELS) - 1)
QUICK = Behaviour(ready_after=0.3)


class Cluster(KServe):
    """Before the first InferenceService there is no Service either."""

    def _service(self, name: str) -> Json | None:
        return super()._service(name) if self.service else None


class Behaviours(dict[str, Behaviour]):
    """Every version gets ready soon."""

    def get(self, version: str, default: Behaviour | None = None) -> Behaviour:  # type: ignore[override]
        return super().get(version, QUICK)


def main() -> None:
    kserve = Cluster(time.time, lag=0.1, behaviours=Behaviours())
    answered: dict[str, int] = {}

    class Predictors(Answering):
        def do_POST(self) -> None:
            self.body()
            named = re.match(
                r".*?-(v[0-9a-f]+-[0-9a-f]{4})-predictor\.", self.headers.get("Host", "")
            )
            workload = kserve.workloads.get(named[1]) if named else None
            if workload is None or not kserve.ready(workload):
                self.answer(503, b'{"error": "no pod is ready"}')
                return
            answered[workload.version] = answered.get(workload.version, 0) + 1
            values = dict(zip(LABELS, EXPECTED, strict=True))
            self.answer(
                200,
                json.dumps(
                    {"predictions": [{"probabilities": values}], "model_version": workload.version}
                ).encode(),
            )

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.answer(200, b"", "text/plain")
                return
            kserve.tick()
            shares = {
                kserve.workloads[name].version: weight
                for name, weight in kserve.weights.items()
                if weight
            }
            told = {
                "traffic": shares,
                "peaks": kserve.peaks,
                "violations": kserve.violations,
                "answered": answered,
            }
            self.answer(200, json.dumps({**told, "request": _request(kserve)}).encode())

    with api_server(kserve) as api, serving(Predictors) as predictors:
        print(json.dumps({"api": api, "predictors": predictors}), flush=True)
        sys.stdin.read()


def _request(kserve: KServe) -> str:
    return str(
        (kserve.service or {"metadata": {"annotations": {}}})["metadata"]["annotations"].get(
            "emotion/rollout-request", ""
        )
    )


if __name__ == "__main__":
    main()
