"""The commands of a cluster as a person types them.

Every option arrives where it is meant to, and what can't be is one error.
"""

from __future__ import annotations

import io
import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.shared.errors import EmotionError
from components.shared.preset import PayloadPolicy
from pipelines import code_version, presets
from pipelines.cli.kubeflow import runs as cluster
from pipelines.cli.kubeflow import watch
from pipelines.cluster import client, publish
from pipelines.resources import TASKS
from tests.pipelines.cli.command_line import emotion, options_of
from tests.pipelines.cluster.kfp_server import KfpServer, Refused, serving
from tests.pipelines.cluster.recorded_runs import RUNNING, RecordedRun

COMPILED = (Path(__file__).parents[1] / "emotion-retraining.golden.yaml").read_text()
PLACE = (
    "--store",
    "gs://bucket/store",
    "--data",
    "gs://bucket/faces",
    "--registry",
    "registry.example",
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    with serving() as state:
        yield state


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What the commands of a cluster printed."""
    console = Console(file=io.StringIO(), width=200)
    for module in (cluster, watch):
        monkeypatch.setattr(module, "console", console)
    return lambda: str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.fixture
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "compiled_for", lambda registry, cluster: COMPILED)


def arrived(server: KfpServer, made: dict[str, Any]) -> dict[str, Any]:
    """What reached the server with a run or a recurring run."""
    parameters = made["runtime_config"]["parameters"]
    compiled, platform = yaml.safe_load_all(
        server.uploads[made["pipeline_version_reference"]["pipeline_version_id"]]
    )
    tasks = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    (mounted,) = {
        tuple(sorted(mount["mountPath"] for mount in task.get("pvcMount", ()))) for task in tasks
    }  # the same in each
    containers = [
        executor["container"] for executor in compiled["deploymentSpec"]["executors"].values()
    ]
    (experiment,) = [
        one for one in server.experiments if one["experiment_id"] == made["experiment_id"]
    ]
    return {
        **parameters,
        "name": made["display_name"],
        "preset": parameters["preset"],
        "experiment": experiment["display_name"],
        "namespace": experiment.get("namespace", ""),
        "registry": {
            container["image"].rpartition("/")[0].removesuffix("/gpu") for container in containers
        },
        "gpus": sum("accelerator" in container["resources"] for container in containers),
        "cuda": sum("/gpu/" in container["image"] for container in containers),
        "mounted": mounted,
        "service_account": made["service_account"],
        "trigger": made.get("trigger", {}).get("cron_schedule", {}).get("cron"),
        "description": made.get("description", ""),
    }


BOTH, RUN, NIGHTLY = ("submit", "schedule"), ("submit",), ("schedule",)
# Option and value, the commands that take it, what is looked at, and how it stands there; by itself
# it stands otherwise.
TABLE: list[tuple[tuple[str, ...], tuple[str, ...], str, Any]] = [
    (("--preset", "ferplus"), BOTH, "preset", "ferplus"),
    (("--preset", "ferplus"), BOTH, "experiment", "ferplus"),
    (("--preset", "ferplus"), NIGHTLY, "name", "ferplus-nightly"),
    (("--data", "s3://other/faces"), BOTH, "source", '["gs://bucket/faces", "s3://other/faces"]'),
    (("--store", "s3://other/store"), BOTH, "store", "s3://other/store"),
    (("--store", "pvc://faces/store"), BOTH, "store", "pvc://faces/store"),
    (("--store", "pvc://faces/store"), BOTH, "mounted", ("/mnt/emotion/faces",)),
    (("--data", "pvc://other/faces"), BOTH, "source", '["gs://bucket/faces", "pvc://other/faces"]'),
    (("--data", "pvc://other/faces"), BOTH, "mounted", ("/mnt/emotion/other",)),
    (("--registry", "other.example/path/"), BOTH, "registry", {"other.example/path"}),
    (("--gpu",), BOTH, "gpus", 1),
    (("--gpu",), BOTH, "cuda", 1),
    (("--preset", "fer2013"), BOTH, "gpus", 1),
    (("--preset", "fer2013", "--no-gpu"), BOTH, "preset", "fer2013"),
    (("--service-account", "other"), BOTH, "service_account", "other"),
    (("--run-id", "tonight"), RUN, "run_id", "tonight"),
    (("--run-id", "tonight"), RUN, "name", "tonight"),
    (("--force",), RUN, "force", True),
    (("--cron", "0 0 4 * * 1-5"), NIGHTLY, "trigger", "0 0 4 * * 1-5"),
    (("--time-zone", "Europe/Berlin"), NIGHTLY, "description", "(Europe/Berlin)"),
    (("--name", "weekly"), NIGHTLY, "name", "weekly"),
]
OF_THE_CONNECTION = {"--host", "--auth", "--namespace", "--ca-file"}


def made_by(server: KfpServer, command: str, *options: str) -> dict[str, Any]:
    emotion(command, *PLACE, *options, "--host", server.url)
    return arrived(server, (server.runs if command == "submit" else server.recurring)[-1])


@pytest.mark.parametrize("command", BOTH)
def test_every_option_arrives(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    rows = [row for row in TABLE if command in row[1]]
    assert {row[0][0] for row in rows} | OF_THE_CONNECTION == options_of(command)
    plain = made_by(server, command)
    assert (plain["gpus"], plain["cuda"]) == (0, 0)
    assert plain["run_id"] == (plain["name"] if command == "submit" else "")
    for option in dict.fromkeys(row[0] for row in rows):
        found = made_by(server, command, *option)
        for _, _, what, value in (row for row in rows if row[0] == option):
            assert value in found[what] if what == "description" else found[what] == value, option
            assert plain[what] != found[what], option


@pytest.mark.usefixtures("compiled_once", "told")
@pytest.mark.parametrize("command", ["submit", "schedule", "unschedule", "status", "logs", "stop"])
def test_who_is_asking_and_where(
    server: KfpServer, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options_of(command) >= OF_THE_CONNECTION
    monkeypatch.setenv("MY_TOKEN", "secret")
    server.multi_user = True
    asked: list[str] = []
    server.authorized = lambda headers: headers["authorization"] == "Bearer secret"
    route = server._route
    server._route = lambda method, path, query, *rest: (
        (  # type: ignore[method-assign]
            asked.append(query.get("namespace", ""))
            if method == "GET" and path != "healthz"
            else None
        )
        or route(method, path, query, *rest)
    )
    given = {
        "submit": PLACE,
        "schedule": PLACE,
        "logs": ("tonight", "train"),
        "stop": ("tonight",),
    }.get(command, ())
    where = ("--auth", "token-env:MY_TOKEN", "--namespace", "anna")
    if command in ("logs", "stop"):
        with pytest.raises(EmotionError, match="there is no run tonight"):
            emotion(command, *given, "--host", server.url, *where)
    else:
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        emotion(command, *given, *where)
    assert "anna" in asked


@pytest.mark.usefixtures("told")
def test_an_address_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    made = (
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "key.pem",
        "-out",
        "ca.pem",
    )
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(
        ["openssl", "req", "-x509", *curve, *made], cwd=tmp_path, check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with serving(context) as server:
        emotion("unschedule", "--host", server.url, "--ca-file", str(tmp_path / "ca.pem"))
        with pytest.raises(
            EmotionError, match=r"can't be reached; received .*certificate verify failed"
        ) as refused:
            emotion("unschedule", "--host", server.url)
        assert refused.value.exit_code == 5


@pytest.mark.usefixtures("compiled_once")
def test_a_name_belongs_to_one_schedule_whatever_its_preset(
    server: KfpServer, told: Callable[[], str]
) -> None:
    made = []
    for preset in ("fer2013-cnn", "ferplus", "ferplus"):
        emotion("schedule", *PLACE, "--preset", preset, "--name", "nightly", "--host", server.url)
        made.append(len(server.recurring))
    assert (
        made[0] < made[1] == made[2]
    )  # by one, or by more where the second was made in the same second as the first
    states = [
        (one["runtime_config"]["parameters"]["preset"], one["status"]) for one in server.recurring
    ]
    assert states[0] == ("fer2013-cnn", "DISABLED")
    assert [preset for preset, status in states if status == "ENABLED"] == ["ferplus"]
    emotion("unschedule", "--name", "nightly", "--host", server.url)
    emotion("unschedule", "--name", "nightly", "--host", server.url)
    assert told().endswith("nightly: stopped\nnightly: no schedule is enabled\n")


@pytest.mark.usefixtures("compiled_once")
def test_two_who_submit_in_the_same_second_are_two_runs(
    server: KfpServer, told: Callable[[], str]
) -> None:
    for _ in range(2):
        emotion("submit", *PLACE, "--host", server.url)
    assert len({run["runtime_config"]["parameters"]["run_id"] for run in server.runs}) == 2
    emotion("status", "--count", "1", "--host", server.url)
    assert told().count(" pending ") == 1


@pytest.mark.usefixtures("compiled_once")
def test_the_latest_runs_are_more_than_a_page(server: KfpServer, told: Callable[[], str]) -> None:
    for number in range(14):
        emotion("submit", *PLACE, "--run-id", f"run-{number}", "--host", server.url)
    server.runs[3].update(display_name="[/bold] of another tool", created_at="2031-01-01T00:00:00Z")
    emotion("status", "--count", "13", "--host", server.url)
    assert told().count(" pending ") == 13
    assert "[/bold] of another tool" in told()


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (
        ("submit", *PLACE, "--preset", "fer2013 cnn"),
        2,
        "unknown preset 'fer2013 cnn'.*did you mean 'fer2013-cnn'",
    ),
    (
        ("submit", "--store", "gs://b/s", "--preset", "ferplus"),
        2,
        "the preset ferplus needs images; expected --data",
    ),
    (
        ("submit", *PLACE, "--store", "store"),
        2,
        (
            "can't reach store; expected --store gs://… or s3://… or pvc://…; .*into a bucket or"
            " onto a volume"
        ),
    ),
    (
        ("submit", *PLACE, "--store", "/mnt/emotion/faces"),
        2,
        "can't reach /mnt/emotion/faces; expected --store .* or pvc://…",
    ),
    (("submit", *PLACE, "--store", "pvc://"), 2, "can't reach pvc://; expected --store"),
    (
        ("submit", *PLACE, "--store", "pvc://My_Claim/store"),
        2,
        "My_Claim/store names no folder of a claim; expected pvc://CLAIM",
    ),
    (("schedule", *PLACE, "--data", "pvc://faces/../etc"), 2, "names no folder of a claim"),
    (("compile", "-o", "out.yaml", "--claim", "a/b/.."), 2, "names no folder of a claim"),
    (
        ("submit", *PLACE, "--store", "file:///store"),
        2,
        "can't reach file:///store; expected --store gs://",
    ),
    (("schedule", *PLACE, "--store", "gs://"), 2, "can't reach gs://; expected --store gs://"),
    (
        ("submit", *PLACE, "--data", "ftp://host/faces"),
        2,
        "can't reach ftp://host/faces; expected --data gs://… or s3://… or pvc://… or kaggle://…",
    ),
    (("submit", *PLACE, "--data", ""), 2, "can't reach an empty address; expected --data"),
    (
        ("submit", *PLACE, "--run-id", "../night"),
        2,
        "a run can't be called '../night'; expected up to 100 letters",
    ),
    (("schedule", *PLACE, "--name", " "), 2, "a schedule can't be called ' '"),
    (("unschedule", "--name", "[/b]"), 2, "a schedule can't be called"),
    (("status", "--preset", "nope"), 2, "unknown preset 'nope'"),
    (
        ("schedule", *PLACE, "--cron", "30 2 * * *"),
        2,
        "has 5 fields.*put the seconds first: '0 30 2",
    ),
    (
        ("schedule", *PLACE, "--time-zone", "Mars"),
        2,
        "there is no time zone Mars; expected a name such as UTC",
    ),
    (("status", "--host", "localhost:8888"), 2, "where is Kubeflow Pipelines"),
    (
        ("status", "--host", "http://127.0.0.1:9"),
        5,
        "can't be reached; received .*refused.*port-forward",
    ),
    (("status", "--host", "http://no host"), 5, "can't be reached; received .*control characters"),
    (
        ("status", "--auth", "token-file:two-lines"),
        2,
        "two-lines holds no token or cookie; expected one line",
    ),
    (("status", "--auth", "token-file:bytes"), 2, "bytes holds no token or cookie"),
    (("status", "--auth", "cookie-file:empty"), 2, "empty holds no token or cookie"),
    (
        ("status", "--auth", "cookie-env:TWO_LINES"),
        2,
        "the environment variable TWO_LINES holds no token or cookie",
    ),
    (("status", "--ca-file", "bytes"), 2, "bytes holds no certificates; expected a PEM file"),
    (("status", "--ca-file", "nowhere"), 2, "nowhere holds no certificates; .*No such file"),
    (("status", "tonight"), 2, "there is no run tonight; .*`emotion status` lists the latest"),
    (("stop", "tonight"), 2, "there is no run tonight"),
    (("logs", "tonight", "trains"), 2, "unknown step 'trains'.*did you mean 'train'"),
]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"), WRONG, ids=[" ".join(row[0])[-40:] for row in WRONG]
)
def test_what_cannot_be_is_one_error_and_nothing_is_made(
    server: KfpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    exit_code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("two-lines", b"secret\nsecret"),
        ("bytes", b"\xff\xfe\x00"),
        ("empty", b"\n"),
    ):
        Path(name).write_bytes(content)
    monkeypatch.setenv("TWO_LINES", "secret\nsecret")
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
    with pytest.raises(EmotionError, match=message) as refused:
        emotion(*arguments)
    assert refused.value.exit_code == exit_code
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert {method for method, _ in server.requests} <= {"GET"}


def test_features_of_what_is_served_need_a_bucket() -> None:
    """A predictor mounts a claim's folder read-only."""
    preset = presets.preset("fer2013-cnn")
    keeping = replace(preset, serving=replace(preset.serving, payload=PayloadPolicy()))
    for store in ("gs://bucket/store", "s3://bucket/store"):
        assert (
            cluster._parameters(keeping, ["gs://b/d"], store, run_id="", force=False)["store"]
            == store
        )
    assert (
        cluster._parameters(preset, ["gs://b/d"], "pvc://faces", run_id="", force=False)["store"]
        == "pvc://faces"
    )
    with pytest.raises(
        EmotionError,
        match=(
            "keeps features of what is served.*expected --store gs://… or s3://…; received"
            " pvc://faces"
        ),
    ):
        cluster._parameters(keeping, ["gs://b/d"], "pvc://faces", run_id="", force=False)


def test_a_compiled_pipeline_mounts_the_claims_that_are_named(tmp_path: Path) -> None:
    emotion("compile", "-o", str(tmp_path / "plain.yaml"))
    emotion("compile", "-o", str(tmp_path / "mounted.yaml"), "--claim", "faces", "--claim", "other")
    plain, mounted = ((tmp_path / f"{name}.yaml").read_text() for name in ("plain", "mounted"))
    assert "pvcMount" not in plain
    assert (
        mounted.count("mountPath: /mnt/emotion/faces")
        == mounted.count("mountPath: /mnt/emotion/other")
        == len(TASKS)
    )


def test_a_namespace_that_is_wrong_or_missing(server: KfpServer) -> None:
    server.multi_user = True
    with pytest.raises(EmotionError, match="this Kubeflow has several users; expected --namespace"):
        emotion("status", "--host", server.url)

    def forbidden(method: str, path: str) -> None:
        raise Refused(403, "User 'me' is not authorized in namespace ann")

    server.before = forbidden
    with pytest.raises(
        EmotionError,
        match=(
            r"refused who you are \(403\).*not authorized in namespace ann; .*another --namespace"
        ),
    ):
        emotion("status", "--host", server.url, "--namespace", "ann")


def test_a_token_that_ran_out(server: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD", "expired")
    server.authorized = lambda headers: headers["authorization"] != "Bearer expired"
    with pytest.raises(
        EmotionError, match=r"refused who you are \(401\).*a token or session that hasn't run out"
    ) as refused:
        emotion("unschedule", "--host", server.url, "--auth", "token-env:OLD")
    assert refused.value.exit_code == 2


def test_kfps_own_variable_for_a_proxy_never_hides_what_was_asked_for(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_IAP_OAUTH2_CLIENT_ID", "proxy-client")
    with pytest.raises(
        EmotionError,
        match="kfp puts KF_PIPELINES_IAP_OAUTH2_CLIENT_ID, which is set, before --auth token-env",
    ):
        emotion("status", "--host", server.url, "--auth", "token-env:MY_TOKEN")
    assert client.credentials("", {"KF_PIPELINES_IAP_OAUTH2_CLIENT_ID": "proxy-client"}) == {
        "client_id": "proxy-client"
    }


def test_a_machine_without_googles_credentials(
    server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(
        EmotionError,
        match=(
            "Identity-Aware Proxy can't be told who you are; received"
            " .*none.json.*GOOGLE_APPLICATION"
        ),
    ):
        emotion("status", "--host", server.url, "--auth", "iap:proxy-client")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "isn't what `make push` writes"),
        ("{}", "the pushed image of emotion-deployment is unknown; .*`make push REGISTRY=…`"),
        (
            '{"deployment": "r.example/emotion-deployment:0123@sha256:1"}',
            "the pushed image of emotion-deployment is of other code",
        ),
    ],
)
def test_without_a_registry_the_record_of_the_push_must_be_todays(
    server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    (tmp_path / "images.json").write_text(content)
    monkeypatch.setattr(
        publish.compiled_for, "__kwdefaults__", {"record": tmp_path / "images.json"}
    )
    monkeypatch.setattr(publish.code_version, "COMPONENTS", ("deployment",))
    with pytest.raises(EmotionError, match=message) as refused:
        emotion("submit", *PLACE[:4], "--host", server.url)
    assert refused.value.exit_code == 2
    assert server.requests == []


def test_a_gpu_is_never_given_to_an_image_without_cuda() -> None:
    tags, digest = {"emotion-training": "gpu/emotion-training:0123"}, f"@sha256:{'a' * 64}"
    plain, cuda = (
        f"r.example/emotion-training:0123{digest}",
        f"r.example/gpu/emotion-training:0123{digest}",
    )
    with pytest.raises(
        EmotionError,
        match=(
            "is without CUDA; expected gpu/.*make push REGISTRY=… GPU=1`, or train on any node with"
            " --no-gpu"
        ),
    ):
        publish.pinned(tags, {"training": plain}, "")
    assert publish.pinned(tags, {"training": cuda}, "") == {"emotion-training": cuda}
    assert publish.pinned(
        {"emotion-training": "emotion-training:0123"}, {"training": cuda}, ""
    ) == {"emotion-training": cuda}


# Kubeflow Pipelines' names for what it asks Kubernetes about
# (backend/src/apiserver/common/const.go): a recurring run is a job.
RIGHTS: list[tuple[str, str, str, str]] = [
    ("GET", r"pipelines", "pipelines", "list"),
    ("POST", r"pipelines", "pipelines", "create"),
    ("GET", r"pipelines/[^/]+/versions", "pipelines/versions", "list"),
    ("POST", r"pipelines/upload_version", "pipelines/versions", "create"),
    ("GET", r"experiments", "experiments", "list"),
    ("POST", r"experiments", "experiments", "create"),
    ("GET", r"runs", "runs", "list"),
    ("GET", r"runs/[^/]+", "runs", "get"),
    ("POST", r"runs", "runs", "create"),
    ("POST", r"runs/[^/]+:terminate", "runs", "terminate"),
    ("GET", r"runs/[^/]+/nodes/[^/]+/log", "runs", "readLog"),
    ("GET", r"recurringruns", "jobs", "list"),
    ("POST", r"recurringruns", "jobs", "create"),
    ("POST", r"recurringruns/[^/]+:enable", "jobs", "enable"),
    ("POST", r"recurringruns/[^/]+:disable", "jobs", "disable"),
]


@pytest.mark.usefixtures("compiled_once", "told")
def test_who_submits_has_every_right_that_the_commands_need(server: KfpServer) -> None:
    for command in (
        ("submit", *PLACE, "--run-id", "tonight"),
        ("schedule", *PLACE),
        ("unschedule",),
        ("schedule", *PLACE),
        ("status",),
    ):
        emotion(*command, "--host", server.url)
    run_id = server.runs[0]["run_id"]
    recorded = RecordedRun().step("resolve", RUNNING)
    server.report(run_id, recorded.manifest())
    server.logs[recorded.pod("resolve")] = "listed\n"
    server.terminated = lambda run_id: server.report(
        run_id, recorded.stopped(report=True).manifest()
    )
    for command in (("status", "tonight"), ("logs", "tonight", "resolve"), ("stop", "tonight")):
        emotion(*command, "--host", server.url)
    used: set[tuple[str, str]] = set()
    for asked, path in server.requests:
        place = re.sub(r"^/apis/v\w+/", "", path)
        if place != "healthz":
            (right,) = [
                (resource, verb)
                for method, form, resource, verb in RIGHTS
                if method == asked and re.fullmatch(form, place)
            ]
            used.add(right)
    assert used == {row[2:] for row in RIGHTS}
    role = next(
        yaml.safe_load_all(
            (code_version.ROOT / "infra" / "kustomize" / "base" / "submit.yaml").read_text()
        )
    )
    rules = [rule for rule in role["rules"] if rule["apiGroups"] == ["pipelines.kubeflow.org"]]
    assert used <= {
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
