"""A new version's way to the traffic of a cluster: dark launch, smoke test, 10, 50, 100 %, or back.

    state.py        Rollout: what is under way; it travels in an annotation of the InferenceService
    machine.py      decide: rollout + what is seen + what was measured → the next action (pure)
    health.py       what so many requests and errors show (pure)
    rendering.py    rollout → the InferenceService that it means (pure)
    reading.py      Kubernetes objects → what is seen (pure)
    cluster.py      the cluster as the driver needs it, and how it fails
    kubernetes_cluster.py   the same over the Kubernetes API
    probing.py      golden requests, and the counters of live ones
    driver.py       the loop
    command.py      `emotion rollout`
    step.py         the deploy step's part

Every change is one server-side apply of spec and state together, on the very resource version that
was looked at. So state and spec never disagree, two drivers can't cross each other, and a driver
that starts anew goes on from what the cluster says.
"""
