"""How a night ended, told to a real HTTP server.

Once, after pauses where it is busy, and never in the way of the run.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.reporting.__main__ import STEPS
from components.reporting.notification import MAX_PAUSE_SECONDS, send
from components.shared.step.frame import main
from components.shared.store.disk import DiskStore
from tests.reporting import builders

BODY = {"text": "blessed: ünïcode"}


@dataclass
class Webhook:
    """Answers with each of ``statuses`` in turn, the last one for good."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Webhook]:
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            webhook.received.append((self.path, self.headers["content-type"], json.loads(body)))
            self.send_response(
                webhook.statuses.pop(0) if len(webhook.statuses) > 1 else webhook.statuses[0]
            )
            for name, value in {"Content-Length": "2", **webhook.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield webhook
        server.shutdown()
        thread.join()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as found:
        yield found


@pytest.fixture
def secret(webhook: Webhook, tmp_path: Path) -> Path:
    path = tmp_path / "webhook-url"
    path.write_text(f"{webhook.url}\n")
    return path


def test_it_is_posted_as_slack_takes_it(webhook: Webhook, secret: Path) -> None:
    assert send(BODY, secret) == ""
    assert webhook.received == [("/services/T0/B0/secret", "application/json", BODY)]


@pytest.mark.parametrize(
    ("statuses", "attempts", "problem"),
    [
        ([503, 500, 200], 3, ""),
        ([429, 200], 2, ""),
        ([408, 502, 200], 3, ""),
        ([500], 4, "the webhook answered 500"),
        ([404], 1, "the webhook answered 404"),
        ([403], 1, "the webhook answered 403"),
    ],
)
def test_a_busy_webhook_is_asked_again_and_a_refusal_is_final(
    webhook: Webhook,
    secret: Path,
    statuses: list[int],
    attempts: int,
    problem: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    webhook.statuses = statuses
    slept: list[float] = []
    assert send(BODY, secret, sleep=slept.append) == problem
    assert len(webhook.received) == attempts
    assert slept == [1.0, 4.0, 15.0][: attempts - 1]
    assert capfd.readouterr().err.count("again in") == attempts - 1


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7.0), ("9999", MAX_PAUSE_SECONDS), ("soon", 1.0)]
)
def test_it_waits_as_long_as_the_webhook_asks_within_reason(
    webhook: Webhook, secret: Path, asked: str, waited: float
) -> None:
    webhook.statuses, webhook.headers = [429, 200], {"Retry-After": asked}
    slept: list[float] = []
    assert send(BODY, secret, sleep=slept.append) == ""
    assert slept == [waited]


def test_a_redirect_is_not_followed(webhook: Webhook, secret: Path) -> None:
    with listening() as stranger:
        webhook.statuses, webhook.headers = [302], {"Location": stranger.url}
        assert send(BODY, secret) == "the webhook answered 302"
        assert stranger.received == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/x",
        "http://hooks.example.com/secret",
        "http://evil.svc.example.com/secret",
        "file:///etc/passwd",
        "no url secret",
    ],
)
def test_what_is_no_url_is_told_without_the_secret(tmp_path: Path, url: str) -> None:
    path = tmp_path / "webhook-url"
    path.write_text(url)
    problem = send(BODY, path)
    assert (
        problem
        == "the webhook's URL can't be used: it must begin with https://, or with http:// inside"
        " the cluster"
    )


def test_nobody_there(tmp_path: Path) -> None:
    path = tmp_path / "webhook-url"
    path.write_text("http://127.0.0.1:9/services/secret")
    assert (
        send(BODY, path, pauses=(), sleep=lambda _: None)
        == "the webhook can't be reached: ConnectionRefusedError"
    )


class TestTheReportStep:
    @pytest.fixture
    def report(self, tmp_path: Path):
        def report(night: str | dict[str, Any], secret: Path) -> DiskStore:
            store = DiskStore(tmp_path / "store")
            builders.write(
                store,
                builders.every_night()[night] if isinstance(night, str) else night,
                builders.RUN,
            )
            arguments = builders.arguments(store.root, tmp_path / "page", builders.RUN, "")
            assert main("reporting", STEPS, [*arguments, "--webhook-file", str(secret)]) == 0
            return store

        return report

    def test_it_is_told_once_however_often_the_step_runs(
        self, report, webhook: Webhook, secret: Path
    ) -> None:
        store = report("rejected", secret)
        report("rejected", secret)
        assert len(webhook.received) == 1
        assert webhook.received[0][2] == json.loads(
            store.read(f"runs/{builders.RUN}/notification.json") or b""
        )
        report("blessed", secret)  # another outcome of the same run, after a retry
        assert [body["text"].split(":")[0] for _, _, body in webhook.received] == [
            "rejected",
            "blessed",
        ]

    def test_a_failure_says_where_why_and_what_to_do(
        self, report, webhook: Webhook, secret: Path
    ) -> None:
        night = builders.broken(
            builders.every_night()["blessed"], "train", "failed", "no space left on the device"
        )
        report(_on_cluster(night), secret)
        lines = webhook.received[0][2]["text"].split("\n")
        assert lines[2] == "• Where: train"
        assert lines[3].startswith("• Why: Train failed: no space left on the device")
        assert lines[4].startswith(
            f"• What to do: `emotion logs {builders.RUN} train` shows what it printed; `emotion"
            " submit` runs it again"
        )
        report(night, secret)
        assert "• What to do: `emotion run --resume` continues it" in webhook.received[1][2]["text"]

    def test_a_webhook_that_refuses_does_not_stop_the_run(
        self, report, webhook: Webhook, secret: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        webhook.statuses = [404]
        store = report("blessed", secret)
        assert store.read(f"runs/{builders.RUN}/notified.json") is None
        said = capfd.readouterr().err
        assert "nobody was told: the webhook answered 404" in said
        assert "secret" not in said
        webhook.statuses = [200]
        report("blessed", secret)  # a later attempt tells it
        assert len(webhook.received) == 2

    def test_without_the_secret_there_is_the_file_alone(self, report, tmp_path: Path) -> None:
        store = report("blessed", tmp_path / "not-mounted")
        assert store.read(f"runs/{builders.RUN}/notification.json")
        assert store.read(f"runs/{builders.RUN}/notified.json") is None


def _on_cluster(night: dict[str, Any]) -> dict[str, Any]:
    told = {
        "pod": "pod-1",
        "resources": json.dumps({"cpu": 1, "memory_gb": 2, "gpus": 0, "gpu": "", "spot": False}),
    }
    return {
        step: replace(evidence, environment={**evidence.environment, **told})
        for step, evidence in night.items()
    }
