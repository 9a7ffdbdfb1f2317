"""Whatever goes wrong on the way.

The traffic is never where it shouldn't be, and the registry says where it is.
"""

from dataclasses import replace

import pytest

from components.shared.errors import ConflictError, EnvironmentProblem
from tests.deployment.rollout.kserve import Behaviour
from tests.deployment.rollout.support import NEW, NEWER, OLD, Answers, Killed, World

MODES = ("Standard", "Knative")


@pytest.fixture(params=MODES)
def world(request):
    """A cluster on which OLD serves."""
    world = World(request.param)
    assert world.deploy(OLD).outcome == "serving"
    world.check({OLD})
    return world


def test_a_good_version_gets_the_traffic_step_by_step(world):
    found = world.deploy(NEW)
    assert (found.outcome, found.serving, found.percent) == ("serving", NEW, 100)
    assert [step.percent for step in found.steps] == [0, 10, 50, 100]
    assert all(step.error_rate_bound <= 0.05 for step in found.steps[1:])
    world.check({OLD, NEW})
    assert world.serving == NEW


def test_doing_it_again_changes_nothing(world):
    world.deploy(NEW)
    applies = len(world.kserve.applies)
    assert world.deploy(NEW).outcome == "serving"
    assert len(world.kserve.applies) == applies
    world.check({OLD, NEW})


def test_one_version_after_the_other(world):
    assert world.deploy(NEW).outcome == world.deploy(NEWER).outcome == "serving"
    world.check({OLD, NEW, NEWER})
    assert world.deploy(OLD).outcome == "serving"
    world.check({OLD, NEW, NEWER})


FAULTS = {
    "stale Ready, never ready": (Behaviour(failure="silent"), Answers(), "not ready for 60 s"),
    "crash loop": (Behaviour(failure="CrashLoopBackOff"), Answers(), "CrashLoopBackOff"),
    "image pull error": (Behaviour(failure="ImagePullBackOff"), Answers(), "ImagePullBackOff"),
    "smoke mismatch": (
        Behaviour(),
        Answers(wrong="a.png: a probability is off by 0.2"),
        "smoke test: a.png",
    ),
    "5xx at 10 %": (Behaviour(), Answers(fails_at=10), "at 10 %"),
    "latency at 50 %": (Behaviour(), Answers(slow_at=50), "at 50 %: p95 200 ms"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_version_goes_back(world, name):
    behaviour, answers, reason = FAULTS[name]
    world.kserve.behaviours[NEW], world.prober.answers[NEW] = behaviour, answers
    found = world.deploy(NEW)
    assert (found.outcome, found.serving) == ("rolled-back", OLD)
    assert reason in found.reason
    world.check({OLD})
    assert world.deploy(NEW).reason == found.reason, "a rerun doesn't try a bad version again"
    world.kserve.behaviours[NEW], world.prober.answers[NEW] = Behaviour(), Answers()
    assert world.deploy(NEW, again=True).outcome == "serving", "but a person may"
    world.check({OLD, NEW})


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("mode", MODES)
def test_a_bad_first_version_is_stopped(mode, name):
    world = World(mode)
    world.kserve.behaviours[NEW], world.prober.answers[NEW] = FAULTS[name][0], FAULTS[name][1]
    if "50" in name or "10" in name:
        world.prober.answers[NEW] = Answers(fails_at=10)
    found = world.deploy(NEW)
    assert (found.outcome, found.serving, world.serving, world.champion) == (
        "rolled-back",
        None,
        None,
        None,
    )
    world.check(set())
    assert world.deploy(NEWER).outcome == "serving"
    world.check({NEWER})


def test_stale_ready_is_never_believed(world):
    """The fake says Ready=True with a high observedGeneration all the time.

    The new pods take a while.
    """
    world.kserve.behaviours[NEW] = Behaviour(ready_after=50.0)
    began = world.clock.time
    assert world.deploy(NEW).outcome == "serving"
    shifted = next(
        body
        for body in world.kserve.applies
        if '"phase":"shifting"' in body["metadata"]["annotations"]["emotion/rollout"]
        and NEW in str(body)
    )
    assert shifted
    assert world.clock.time - began > 50
    world.check({OLD, NEW})


def test_a_deployment_that_gave_up_goes_back():
    world = World()
    world.deploy(OLD)
    world.kserve.behaviours[NEW] = Behaviour(failure="deadline")
    assert "gave up: timed out" in world.deploy(NEW).reason
    world.check({OLD})


@pytest.mark.parametrize("fault", ["lost", "answer-lost", "503", "409"])
def test_one_failing_call_anywhere(world, fault):
    """A timeout before or after the effect, a passing error, a conflict.

    At every call of the API.
    """
    first = world.kserve.calls
    world.deploy(NEW)
    calls = world.kserve.calls - first
    for number in range(0, calls, 23):
        tried = World(world.policy.mode)
        tried.deploy(OLD)
        tried.kserve.faults = {tried.kserve.calls + number: fault}
        assert tried.deploy(NEW).outcome == "serving"
        tried.check({OLD, NEW})


def test_a_conflict_on_every_apply_ends_with_a_way_on(world):
    world.kserve.faults = {}
    patch = world.kserve._patch
    world.kserve._patch = lambda *given: (409, {"reason": "Conflict", "message": "modified"})
    with pytest.raises(EnvironmentProblem, match="rollout resume"):
        world.deploy(NEW)
    world.check({OLD}, ended=False)
    world.kserve._patch = patch
    assert world.deploy(NEW).outcome == "serving"
    world.check({OLD, NEW})


def test_a_cluster_that_never_answers_ends_with_a_way_on(world):
    world.kserve.faults = dict.fromkeys(
        range(world.kserve.calls, world.kserve.calls + 100_000), "lost"
    )
    with pytest.raises(EnvironmentProblem, match="continues from there"):
        world.deploy(NEW)
    world.kserve.faults = {}
    world.check({OLD}, ended=False)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answers", [Answers(), Answers(fails_at=50)], ids=["good", "bad at 50 %"])
def test_killed_in_every_phase_and_started_anew(mode, answers):
    """Right before each write, which is where the phases meet."""
    killed_and_resumed(mode, answers, at_writes=True)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answers", [Answers(), Answers(fails_at=50)], ids=["good", "bad at 50 %"])
def test_killed_before_any_call_and_started_anew(mode, answers):
    killed_and_resumed(mode, answers, at_writes=False)


def killed_and_resumed(mode, answers, *, at_writes):
    world = World(mode)
    world.deploy(OLD)
    world.prober.answers[NEW] = answers
    first, world.kserve.writes = world.kserve.calls, []
    world.deploy(NEW)
    calls = range(first, world.kserve.calls)
    phases = set()
    for number in (
        (write + after for write in world.kserve.writes for after in (0, 1)) if at_writes else calls
    ):
        tried = World(mode)
        tried.prober.answers[NEW] = answers
        tried.deploy(OLD)
        tried.rest.dies_before = number
        with pytest.raises(Killed):
            tried.deploy(NEW)
        tried.rest.dies_before = None
        seen = tried.cluster.look()
        phases.add(seen.rollout.phase if seen.rollout.new.version == NEW else "none")
        found = tried.resume() if seen.rollout.new.version == NEW else tried.deploy(NEW)
        assert found.outcome == ("serving" if answers == Answers() else "rolled-back")
        tried.check({OLD, NEW} if answers == Answers() else {OLD})
    wanted = (
        {"none", "starting", "shifting", "promoting", "serving"}
        if answers == Answers()
        else {"none", "rolling-back", "rolled-back"}
    )
    assert phases >= wanted, "killed in every phase"


def test_killed_while_recording(world):
    def die(rollout):
        raise Killed

    record, world.record = world.record, die
    with pytest.raises(Killed):
        world.deploy(NEW)
    world.record = record
    assert world.deploy(NEW).outcome == "serving"
    world.check({OLD, NEW})


def test_a_way_back_that_fails_once(world):
    """The apply of the way back fails, and then KServe's controller does."""
    world.prober.answers[NEW] = Answers(fails_at=10)
    patch, failed = world.kserve._patch, []

    def once(name, query, content_type, body):
        if (
            '"phase":"rolling-back"' in body["metadata"]["annotations"].get("emotion/rollout", "")
            and not failed
        ):
            failed.append(body)
            world.kserve.failing_reconciles = 1
            return 500, {"reason": "InternalError"}
        return patch(name, query, content_type, body)

    world.kserve._patch = once
    found = world.deploy(NEW)
    assert (found.outcome, len(failed)) == ("rolled-back", 1)
    world.check({OLD})


def test_a_cluster_that_refuses_a_step_takes_the_way_back():
    world = World()
    world.deploy(OLD)
    world.kserve.accepted = lambda body: (
        (body["spec"].get("canary") or [{}])[0].get("trafficPercent") != 50
    )
    found = world.deploy(NEW)
    assert found.outcome == "rolled-back"
    assert "the cluster refuses it" in found.reason
    world.check({OLD})


def test_a_newer_version_takes_over_from_an_unfinished_one(world):
    first = world.kserve.calls
    world.rest.dies_before = first + 40
    with pytest.raises(Killed):
        world.deploy(NEW)
    world.rest.dies_before = None
    assert world.deploy(NEWER).outcome == "serving"
    world.check({OLD, NEWER})


def test_pause_resume_and_abort(world):
    name = world.wanted(NEW).new.name

    def asked(word):
        def smoke(rollout, made=world.prober.smoke):
            world.cluster.request(f"{word} {name}")
            return made(rollout)

        return smoke

    made, world.prober.smoke = world.prober.smoke, asked("pause")
    assert world.deploy(NEW).outcome == "paused"
    assert world.deploy(NEW).outcome == "paused", "a rerun respects it"
    world.check({OLD}, ended=False)
    world.prober.smoke = made
    world.cluster.request(f"abort {name}")
    found = world.resume()
    assert (found.outcome, found.reason) == ("rolled-back", "a person aborted it")
    world.check({OLD})
    world.cluster.request("")
    assert world.deploy(NEW, again=True).outcome == "serving"
    world.check({OLD, NEW})


def test_a_foreign_service_is_left_alone(world):
    world.kserve.service["metadata"]["annotations"].pop("emotion/rollout")
    world.kserve.service["spec"]["predictor"]["labels"] = {}
    before = world.kserve.applies[-1]
    with pytest.raises(ConflictError, match="made by something else"):
        world.deploy(NEW)
    assert world.kserve.applies[-1] is before


def test_two_rollouts_at_once_end_with_one_of_them(world):
    """A newer one takes over while the older one's driver is alive.

    That one leaves the cluster alone, and says so.
    """
    made, began = world.prober.probe, []

    def probe(rollout, requests):
        if rollout.new.version == NEW and not began:
            began.append(True)
            assert world.deploy(NEWER).outcome == "serving"
        return made(rollout, requests)

    world.prober.probe = probe
    with pytest.raises(ConflictError, match=f"another rollout took over.*{NEWER}, serving"):
        world.deploy(NEW)
    world.check({OLD, NEWER})
    assert world.serving == NEWER


def test_another_pod_template_of_the_same_version_that_fails_leaves_the_version_champion(world):
    """The predictor's image changed, not the model: what is sent back is the image."""
    world.policy = replace(world.policy, memory="2Gi")
    world.prober.answers[OLD] = Answers(fails_at=10)
    found = world.deploy(OLD)
    assert (found.outcome, found.serving, world.champion) == ("rolled-back", OLD, OLD)
    world.check({OLD})


def test_killed_between_the_way_back_and_the_record(world):
    """Another run of the step finds the version withdrawn, or withdraws it, and ends the same."""
    world.prober.answers[NEW] = Answers(fails_at=10)
    for die_after in (False, True):
        record = world.record

        def die(rollout, record=record, die_after=die_after):
            if die_after:
                record(rollout)
            raise Killed

        world.record = die
        with pytest.raises(Killed):
            world.deploy(NEW)
        world.record = record
    assert world.deploy(NEW).outcome == "rolled-back"
    world.check({OLD})
    with pytest.raises(ConflictError, match="was rolled back, so the gate's word isn't enough"):
        world.promote(NEW)


LAGS = (0.0, 2.0, 10.0)
WAYS_BACK = {
    "5xx at 10 %": (Answers(fails_at=10), 10),
    "latency at 50 %": (Answers(slow_at=50), 50),
    "5xx at 100 %": (Answers(fails_at=100), 100),
}


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("name", WAYS_BACK)
def test_a_gateway_that_lags_finds_the_pods_that_it_still_routes_to(name, lag):
    """On the way back.

    The weight falls to 0, the route says so, the drain, and only then the pods go.
    """
    world = World()
    world.kserve.gateway_lag = lag
    world.deploy(OLD)
    world.prober.answers[NEW], most = WAYS_BACK[name]
    assert world.deploy(NEW).outcome == "rolled-back"
    assert world.kserve.peaks[NEW] == most
    world.check({OLD})
    assert [workload.version for workload in world.kserve.workloads.values()] == [OLD]


@pytest.mark.parametrize("lag", LAGS)
def test_a_gateway_that_lags_on_the_way_forward(lag):
    world = World()
    world.kserve.gateway_lag = lag
    assert [world.deploy(version).outcome for version in (OLD, NEW, NEWER)] == ["serving"] * 3
    world.check({OLD, NEW, NEWER})


def test_the_way_back_keeps_as_many_pods_as_the_traffic_needed():
    world = World()
    world.deploy(OLD)
    world.prober.answers[NEW] = Answers(fails_at=50)
    world.deploy(NEW)
    back = [
        body["spec"]["canary"][0] for body in world.kserve.applies if body["spec"].get("canary")
    ]
    assert [(one["trafficPercent"], one["predictor"]["minReplicas"]) for one in back] == [
        (0, 1),
        (10, 1),
        (50, 2),
        (0, 2),
        (0, 2),
    ]
    assert "canary" not in world.kserve.applies[-1]["spec"]


def test_what_never_had_traffic_goes_at_once():
    world = World()
    world.deploy(OLD)
    world.prober.answers[NEW] = Answers(wrong="HTTP 500")
    began = world.clock.now()
    assert world.deploy(NEW).outcome == "rolled-back"
    assert world.clock.now() - began < 60
    assert not any("ends its requests" in line for line in world.told)


def test_a_new_version_meanwhile_waits_for_the_drain():
    world = World()
    world.kserve.gateway_lag = 10.0
    world.deploy(OLD)
    world.prober.answers[NEW] = Answers(fails_at=50)
    world.rest.dies_before = None
    drain = world.cluster.apply

    def die_once_it_drains(rollout, version):
        drain(rollout, version)
        if rollout.phase == "draining":
            raise Killed

    world.cluster.apply = die_once_it_drains
    with pytest.raises(Killed):
        world.deploy(NEW)
    world.cluster.apply = drain
    assert world.deploy(NEWER).outcome == "serving"
    world.check({OLD, NEWER})


def test_autoscalers_of_revisions_that_are_gone_are_removed():
    world = World()
    for version in (OLD, NEW, NEWER):
        world.deploy(version)
        world.settle()
    assert list(world.kserve.autoscalers) == list(world.kserve.workloads)
    assert len(world.kserve.autoscalers) == 1


def test_a_role_without_that_right_ends_no_rollout():
    world = World()
    world.deploy(OLD)
    handle = world.kserve.handle

    def forbidden(method, url, headers, body):
        return (
            (403, {"reason": "Forbidden"})
            if "horizontalpodautoscalers" in url
            else handle(method, url, headers, body)
        )

    world.kserve.handle = forbidden
    assert world.deploy(NEW).outcome == "serving"
    assert any(
        "autoscalers of revisions that are gone stay: no right to list autoscalers" in line
        for line in world.told
    )
