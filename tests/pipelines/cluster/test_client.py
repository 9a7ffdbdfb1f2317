"""kfp's real client against a server with the API's rules.

Who we are, what is said of refusals, versions and runs.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kfp.client import auth as kfp_auth
from rich.console import Console

from components.shared.errors import EnvironmentProblem, InputError
from pipelines import code_version
from pipelines.cli.app import app
from pipelines.cli.kubeflow import runs as cluster
from pipelines.cli.kubeflow import watch
from pipelines.cluster import client, publish, status
from pipelines.cluster.client import Kubeflow, credentials, speaking
from pipelines.resources import Cluster
from tests.pipelines.cluster.kfp_server import KfpServer, Refused, serving

ABOUT = publish.about_version("faces", "0123456789ab")
COMPILED = (Path(__file__).parents[1] / "emotion-retraining.golden.yaml").read_text()
PARAMETERS = {"preset": "{}", "source": "gs://bucket/faces", "store": "gs://bucket/store"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpServer]:
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01))
    with serving() as state:
        yield state


def emotion(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "PYTHONPATH": str(code_version.ROOT),
        "COLUMNS": "200",
        "NO_COLOR": "1",
        **environment,
    }
    command = [sys.executable, "-m", "pipelines.cli.app", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=240
    )


class TestCredentials:
    def test_a_token_in_a_file_is_read_again_for_every_request(
        self, server: KfpServer, tmp_path: Path
    ) -> None:
        seen: list[str] = []
        server.authorized = lambda headers: bool(seen.append(headers["authorization"])) or True
        token = tmp_path / "token"
        token.write_text("first\n")
        kubeflow = Kubeflow(server.url, f"token-file:{token}")
        token.write_text("second\n")
        publish.ensure_experiment(kubeflow, "faces")
        assert seen[0] == "Bearer first"
        assert set(seen[1:]) == {"Bearer second"}

    def test_the_token_that_a_cluster_mounts(
        self, server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.authorized = lambda headers: headers["authorization"] == "Bearer mounted"
        (tmp_path / "token").write_text("mounted")
        publish.ensure_experiment(Kubeflow(server.url, f"in-cluster:{tmp_path / 'token'}"), "faces")
        monkeypatch.setattr(client, "IN_CLUSTER_TOKEN", str(tmp_path / "token"))
        publish.ensure_experiment(Kubeflow(server.url), "faces")

    def test_a_token_or_a_session_of_dex_in_a_variable(
        self, server: KfpServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_TOKEN", "secret")
        server.authorized = lambda headers: headers["authorization"] == "Bearer secret"
        publish.ensure_experiment(Kubeflow(server.url, "token-env:MY_TOKEN"), "faces")
        monkeypatch.setenv("MY_SESSION", "authservice_session=abc")
        server.authorized = lambda headers: headers["cookie"] == "authservice_session=abc"
        publish.ensure_experiment(Kubeflow(server.url, "cookie-env:MY_SESSION"), "faces")

    def test_a_session_of_dex_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "session").write_text("authservice_session=abc\n")
        assert credentials(f"cookie-file:{tmp_path / 'session'}", {}) == {
            "cookies": "authservice_session=abc"
        }

    def test_an_identity_aware_proxy(
        self, server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a person who signed in before.

        kfp's refresh token is exchanged for one that the proxy takes.
        """
        saved = {"refresh_token": "r", "other_client_id": "desktop", "other_client_secret": "s"}
        (tmp_path / "credentials.json").write_text(json.dumps({"proxy-client": saved}))
        monkeypatch.setattr(kfp_auth, "LOCAL_KFP_CREDENTIAL", str(tmp_path / "credentials.json"))
        asked: list[str] = []

        class TokenIssuer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
                content = b'{"id_token": "identity"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        with HTTPServer(("127.0.0.1", 0), TokenIssuer) as issuer:
            threading.Thread(target=issuer.handle_request, daemon=True).start()
            monkeypatch.setattr(
                kfp_auth, "OAUTH_TOKEN_URI", f"http://127.0.0.1:{issuer.server_port}"
            )
            server.authorized = lambda headers: headers["authorization"] == "Bearer identity"
            publish.ensure_experiment(Kubeflow(server.url, "iap:proxy-client"), "faces")
        assert "audience=proxy-client" in asked[0]
        assert "refresh_token=r" in asked[0]

    @pytest.mark.parametrize(
        ("auth", "message"),
        [
            ("token-env:UNSET", "the environment variable UNSET isn't set"),
            ("token-file:/nowhere", "there is no file /nowhere"),
            ("token:abc-secret", "--auth can't be token; expected in-cluster, token-file:PATH"),
            ("iap:", "--auth can't be iap"),
        ],
    )
    def test_what_no_credentials_are(self, auth: str, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            credentials(auth, {})
        assert "abc-secret" not in str(caught.value)


class TestRefusals:
    def test_wrong_credentials(self, server: KfpServer) -> None:
        server.authorized = lambda headers: False
        with pytest.raises(
            InputError,
            match=(
                r"refused who you are \(401\); expected --auth in-cluster, .*received no"
                r" credentials"
            ),
        ):
            Kubeflow(server.url)

    def test_a_login_page_instead_of_an_answer(self, server: KfpServer) -> None:
        kubeflow = Kubeflow(server.url)
        answer = server.answer
        server.answer = lambda *asked: "<html>log in</html>" if answer else None  # type: ignore[method-assign]
        with (
            pytest.raises(
                InputError, match=r"refused who you are \(401\).*a web page, as a login shows"
            ),
            speaking(server.url),
        ):
            publish.ensure_experiment(kubeflow, "faces")

    @pytest.mark.parametrize("namespace", ["", "anna"])
    @pytest.mark.parametrize(
        "answer",
        [
            '{"status": "ok"}',
            "ok",
            '["multi_user"]',
            '{"multi_user": null}',
            "",
            "<html>It works</html>",
        ],
    )
    def test_a_web_server_that_isnt_kubeflow(
        self, server: KfpServer, answer: str, namespace: str
    ) -> None:
        server.answer = lambda *asked: answer  # type: ignore[method-assign]
        message = (
            r"isn't Kubeflow Pipelines, or a login stands before it; expected multi_user .*;"
            r" received .*check --host"
        )
        with pytest.raises(InputError, match=message):
            Kubeflow(server.url, namespace=namespace)

    def test_a_web_server_without_that_address(self, server: KfpServer) -> None:
        def missing(method: str, path: str) -> None:
            raise Refused(404, "File not found")

        server.before = missing
        with pytest.raises(InputError, match=r"isn't Kubeflow Pipelines.*received HTTP 404"):
            Kubeflow(server.url)

    def test_a_namespace_where_there_is_one_user(self, server: KfpServer) -> None:
        with pytest.raises(
            InputError,
            match=(
                "one user, and its runs are where it is installed; expected no --namespace;"
                " received nosuch"
            ),
        ):
            Kubeflow(server.url, namespace="nosuch")
        assert [path for _, path in server.requests] == ["/apis/v2beta1/healthz"]
        Kubeflow(server.url, namespace="kubeflow")

    def test_nobody_there(self) -> None:
        with pytest.raises(
            EnvironmentProblem, match=r"can't be reached; received .*refused.*port-forward"
        ):
            Kubeflow("http://127.0.0.1:9")

    @pytest.mark.parametrize("host", ["", "localhost:8888"])
    def test_no_address(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(
            InputError, match=r"where is Kubeflow Pipelines\?; expected --host http"
        ):
            Kubeflow(host)

    def test_a_busy_server_is_asked_again_but_never_twice_to_create(
        self, server: KfpServer
    ) -> None:
        kubeflow = Kubeflow(server.url)
        failures = {"GET": 2, "POST": 1}

        def busy(method: str, path: str) -> None:
            if failures[method]:
                failures[method] -= 1
                raise Refused(503, "busy")

        server.before = busy
        with (
            pytest.raises(EnvironmentProblem, match=r"failed \(503\); received busy"),
            speaking(server.url),
        ):
            publish.ensure_experiment(kubeflow, "faces")
        assert [method for method, path in server.requests if path.endswith("/experiments")] == [
            "GET",
            "GET",
            "GET",
            "POST",
            "GET",
        ]
        assert publish.ensure_experiment(kubeflow, "faces")

    def test_the_rest_of_the_program_prints_as_before(
        self, server: KfpServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kubeflow = Kubeflow(server.url)
        with speaking(server.url):
            self_printing = kubeflow.create_experiment("faces")
        print("ours")
        assert self_printing.display_name == "faces"
        assert capsys.readouterr().out == "ours\n"


class TestVersions:
    def test_the_same_yaml_is_uploaded_once(self, server: KfpServer) -> None:
        kubeflow = Kubeflow(server.url)
        first = publish.ensure_version(kubeflow, COMPILED, ABOUT)
        assert publish.ensure_version(Kubeflow(server.url), COMPILED, ABOUT) == first
        assert len(server.versions) == 1
        assert (server.versions[0]["name"], server.versions[0]["display_name"]) == (
            publish.version_name(COMPILED),
            ABOUT.name,
        )
        assert server.uploads[first[1]] == COMPILED
        publish.ensure_version(kubeflow, COMPILED.replace("30s", "31s"), ABOUT)
        assert len(server.versions) == 2
        assert len(server.pipelines) == 1

    def test_a_version_is_found_on_whatever_page(self, server: KfpServer) -> None:
        kubeflow = Kubeflow(server.url)
        for number in range(23):
            publish.ensure_version(kubeflow, COMPILED.replace("30s", f"{number}s"), ABOUT)
        publish.ensure_version(kubeflow, COMPILED.replace("30s", "7s"), ABOUT)
        assert len(server.versions) == 23
        pipeline = server.pipelines[0]["pipeline_id"]
        listed = list(
            client.every(kubeflow.list_pipeline_versions, "pipeline_versions", pipeline_id=pipeline)
        )
        assert len({version.pipeline_version_id for version in listed}) == 23

    @pytest.mark.parametrize("status", [409, 500])
    def test_two_who_upload_at_once_share_one_version(self, server: KfpServer, status: int) -> None:
        both_looked = threading.Barrier(2, timeout=20)

        def meet(method: str, path: str) -> None:
            if method == "POST" and path.endswith(
                ("/pipelines", "/upload_version", "/experiments")
            ):
                both_looked.wait()

        server.before = meet
        create = server._create_unique

        def said_in_another_way(*given: Any, **options: Any) -> Any:
            try:
                return create(*given, **options)
            except Refused as error:
                raise Refused(status, str(error)) from error

        server._create_unique = said_in_another_way  # type: ignore[method-assign]
        clients = [Kubeflow(server.url), Kubeflow(server.url)]
        found: list[Any] = []

        def upload(kubeflow: Kubeflow) -> None:
            found.append(
                (
                    publish.ensure_version(kubeflow, COMPILED, ABOUT),
                    publish.ensure_experiment(kubeflow, "faces"),
                )
            )

        threads = [threading.Thread(target=upload, args=(one,)) for one in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found[0] == found[1]
        assert (len(server.pipelines), len(server.versions), len(server.experiments)) == (1, 1, 1)


class TestImages:
    TAGS = {"emotion-training": "emotion-training:0123456789abcdef"}  # noqa: RUF012
    DIGEST = f"registry.example/path/emotion-training:0123456789abcdef@sha256:{'a' * 64}"

    def test_a_recorded_digest_pins_the_image(self) -> None:
        assert publish.pinned(self.TAGS, {"training": self.DIGEST}, "") == {
            "emotion-training": self.DIGEST
        }
        assert publish.pinned(self.TAGS, {"training": self.DIGEST}, "registry.example/path/") == {
            "emotion-training": self.DIGEST
        }

    def test_without_one_the_tag_in_the_registry_names_it(self) -> None:
        tag = {"emotion-training": "other.example/emotion-training:0123456789abcdef"}
        assert publish.pinned(self.TAGS, {}, "other.example") == tag
        assert publish.pinned(self.TAGS, {"training": self.DIGEST}, "other.example") == tag

    @pytest.mark.parametrize(
        ("recorded", "word"),
        [({}, "unknown"), ({"training": DIGEST.replace("0123", "9999")}, "of other code")],
    )
    def test_neither(self, recorded: dict[str, str], word: str) -> None:
        with pytest.raises(
            InputError, match=f"the pushed image of emotion-training is {word}.*make push"
        ):
            publish.pinned(self.TAGS, recorded, "")

    def test_the_record_stands_in_the_yaml(self, tmp_path: Path) -> None:
        tags = code_version.image_references("")
        pushed = {
            name.removeprefix("emotion-"): f"registry.example/{tag}@sha256:{'b' * 64}"
            for name, tag in tags.items()
        }
        (tmp_path / "images.json").write_text(json.dumps(pushed))
        compiled = next(
            iter(
                yaml.safe_load_all(
                    publish.compiled_for("", Cluster(), record=tmp_path / "images.json")
                )
            )
        )
        containers = [
            executor["container"] for executor in compiled["deploymentSpec"]["executors"].values()
        ]
        assert {container["image"] for container in containers} == set(pushed.values())
        assert not any("accelerator" in container["resources"] for container in containers)


class TestRuns:
    def run(self, server: KfpServer, kubeflow: Kubeflow, name: str) -> Any:
        pipeline, version = publish.ensure_version(kubeflow, COMPILED, ABOUT)
        experiment = publish.ensure_experiment(kubeflow, "faces")
        return kubeflow.run_pipeline(
            experiment, name, pipeline_id=pipeline, version_id=version, params=PARAMETERS
        )

    def test_by_name_the_newest_or_by_id(self, server: KfpServer) -> None:
        kubeflow = Kubeflow(server.url)
        for number in range(12):
            self.run(server, kubeflow, f"night-{number}")
        again = self.run(server, kubeflow, "night-3")
        server.runs[-1]["created_at"] = "2031-01-01T00:00:00Z"
        assert status.run_called(kubeflow, "night-3").run_id == again.run_id
        assert status.run_called(kubeflow, server.runs[5]["run_id"]).display_name == "night-5"
        with pytest.raises(InputError, match="there is no run night-99"):
            status.run_called(kubeflow, "night-99")
        experiment = server.experiments[0]["experiment_id"]
        assert status.latest_runs(kubeflow, experiment, 3)[0].run_id == again.run_id

    def test_a_run_that_stands_or_went_well_isnt_started_twice(self, server: KfpServer) -> None:
        kubeflow = Kubeflow(server.url)
        first = self.run(server, kubeflow, "night")
        experiment = server.experiments[0]["experiment_id"]
        assert status.standing_run(kubeflow, experiment, "night").run_id == first.run_id
        server.runs[0]["state"] = "FAILED"
        assert status.standing_run(kubeflow, experiment, "night") is None


def test_scheduling_and_submitting_twice(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(cluster, "console", told)
    monkeypatch.setattr(watch, "console", told)
    monkeypatch.setattr(publish, "compiled_for", lambda registry, cluster: COMPILED)
    place = (
        "--store",
        "gs://bucket/store",
        "--data",
        "gs://bucket/faces",
        "--preset",
        "fer2013-cnn",
    )

    def command(*arguments: str) -> None:
        typer.main.get_command(app)([*arguments, "--host", server.url], standalone_mode=False)

    for _ in range(2):
        command("schedule", *place, "--time-zone", "Europe/Berlin")
    assert len(server.recurring) == 1
    assert server.recurring[0]["runtime_config"]["parameters"]["preset"] == "fer2013-cnn"
    command("status", "--preset", "fer2013-cnn")
    command("unschedule", "--preset", "fer2013-cnn")
    assert server.recurring[0]["status"] == "DISABLED"
    command("schedule", *place, "--name", "another")
    command("unschedule", "--name", "another")
    assert [run["status"] for run in server.recurring] == ["DISABLED", "DISABLED"]
    for _ in range(2):
        command("submit", *place, "--run-id", "tonight")
    assert len(server.runs) == 1
    printed = told.file.getvalue()  # type: ignore[attr-defined]
    for line in (
        "scheduled: fer2013-cnn-nightly at 0 30 2 * * * (Europe/Berlin)",
        "stands: fer2013-cnn-nightly at",
        "fer2013-cnn-nightly: stopped",
        "submitted: tonight",
        "already there: tonight",
    ):
        assert line in printed


def test_a_profile_of_a_shared_kubeflow(server: KfpServer) -> None:
    server.multi_user = True
    kubeflow = Kubeflow(server.url, namespace="anna")
    publish.ensure_version(kubeflow, COMPILED, ABOUT)
    publish.ensure_experiment(kubeflow, "faces")
    assert server.pipelines[0]["namespace"] == server.experiments[0]["namespace"] == "anna"


def test_the_commands_on_a_terminal(server: KfpServer, tmp_path: Path) -> None:
    what = [
        "--preset",
        "fer2013-cnn",
        "--data",
        "gs://bucket/fer2013.zip",
        "--store",
        str(tmp_path / "store"),
        "--registry",
        "r.example/e",
    ]
    done = emotion("submit", *what, "--host", server.url, cwd=tmp_path)
    assert done.returncode == 2
    assert (
        f"the pods of a cluster can't reach {tmp_path / 'store'}; expected --store gs://… or s3://…"
        in done.stderr
    )
    what[5] = "gs://bucket/store"
    done = emotion(
        "submit",
        *what,
        "--run-id",
        "tonight",
        "--force",
        cwd=tmp_path,
        KF_PIPELINES_ENDPOINT=server.url,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "submitted: tonight" in done.stdout
    parameters = server.runs[0]["runtime_config"]["parameters"]
    assert parameters["run_id"] == "tonight"
    assert parameters["force"] is True
    assert parameters["preset"] == "fer2013-cnn"
    assert server.runs[0]["service_account"] == "emotion-run"
