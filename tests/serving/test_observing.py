"""Shadow traffic and feature logging against real servers and stores.

Answers never wait, pictures are never kept.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from components.serving.observers.observers import OBSERVED, Answered, Observer, Observers
from components.serving.observers.payload_log import FeatureLog
from components.serving.observers.shadow import COMPARED, DIFFERENCE, Shadow
from components.serving.predictor.classifier import Answer
from components.serving.predictor.process import HOST, free_ports
from components.shared.images.decode import encode_png
from components.shared.preset import PayloadPolicy, ShadowPolicy
from components.shared.records import ServedRow
from components.shared.serialization import from_json
from components.shared.store.disk import DiskStore
from tests.serving.conftest import wait_for

PICTURE = encode_png(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (20, 1)))
PROBABILITIES = {"happy": 0.75, "sad": 0.25}


def answered(images: tuple = (PICTURE,), answers: tuple = (), request_id: str = "one") -> Answered:
    return Answered(
        request_id,
        images,
        answers or (Answer("happy", PROBABILITIES),) * len(images),
        "faces",
        "v1",
    )


def counted(metric, *labels) -> float:
    return metric.labels(*labels)._value.get()


@contextmanager
def shadow_server(
    reply: bytes = b"", status: int = 200, seconds: float = 0.0
) -> Iterator[tuple[str, list[dict]]]:
    """A predictor that answers so, and the requests that it got."""
    asked: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(
                {"path": self.path, "id": self.headers["X-Request-Id"], "body": json.loads(body)}
            )
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/v1/models/faces:predict", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(*probabilities: dict) -> bytes:
    return json.dumps(
        {
            "predictions": [
                {"label": max(each, key=each.get), "probabilities": each} for each in probabilities
            ]
        }
    ).encode()


def test_agreement_is_recorded():
    agreed, differed, largest = (
        counted(COMPARED, "agreed"),
        counted(COMPARED, "differed"),
        DIFFERENCE._sum.get(),
    )
    with shadow_server(reply({"happy": 0.6, "sad": 0.4}, {"happy": 0.2, "sad": 0.8})) as (
        url,
        asked,
    ):
        shadow = Shadow(ShadowPolicy(url))
        shadow.see(answered((PICTURE, np.zeros((4, 4, 1), np.uint8))))
        shadow.close()
    assert (counted(COMPARED, "agreed") - agreed, counted(COMPARED, "differed") - differed) == (
        1,
        1,
    )
    assert DIFFERENCE._sum.get() - largest == pytest.approx(0.15 + 0.55)
    assert [(each["path"], each["id"], len(each["body"]["instances"])) for each in asked] == [
        ("/v1/models/faces:predict", "shadow-one", 2)
    ]


def test_neither_refused_images_nor_copies_are_sent():
    with shadow_server(reply(PROBABILITIES)) as (url, asked):
        shadow = Shadow(ShadowPolicy(url))
        shadow.see(answered((None,), (Answer(reason="empty", message="no bytes"),)))
        shadow.see(
            answered(request_id="shadow-one")
        )  # two predictors that shadow each other end here
        shadow.close()
    assert asked == []


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"no JSON", 200), (b'{"predictions": 1}', 200), (b"{}", 200), (reply(), 200), (b"busy", 503)],
)
def test_a_shadow_that_answers_badly_counts_as_failed(content, status):
    failed = counted(COMPARED, "failed")
    with shadow_server(content, status) as (url, _):
        shadow = Shadow(ShadowPolicy(url))
        with pytest.raises(ValueError, match=r"HTTP 503|can't be read|answers to 1"):
            shadow.see(answered())
    assert counted(COMPARED, "failed") - failed == 1


@pytest.mark.parametrize("kind", ["slow", "dead"])
def test_nobody_waits_for_a_shadow(kind, caplog):
    """200 requests are told in far less time than one answer of the shadow takes.

    What finds no room is counted.
    """
    before = {word: counted(OBSERVED, "shadow", word) for word in ("seen", "failed", "dropped")}
    (closed,) = free_ports(1)
    with shadow_server(reply(PROBABILITIES), seconds=0.3) as (slow, _):
        url = slow if kind == "slow" else f"http://{HOST}:{closed}/v1/models/faces:predict"
        observers = Observers(
            [Shadow(ShadowPolicy(url, share=1.0, timeout_seconds=0.5))], capacity=4
        )
        began, longest = time.perf_counter(), 0.0
        for _ in range(200):
            told = time.perf_counter()
            observers.tell(answered())
            longest = max(longest, time.perf_counter() - told)
        took = time.perf_counter() - began
        first = "seen" if kind == "slow" else "failed"
        assert wait_for(lambda: counted(OBSERVED, "shadow", first) > before[first])
        observers.close()
    grown = {word: counted(OBSERVED, "shadow", word) - count for word, count in before.items()}
    assert sum(grown.values()) == 200, "each is seen, failed or dropped"
    assert took < 1.0
    assert longest < 0.2
    if kind == "slow":
        assert grown["dropped"] >= 190
        assert 1 <= grown["seen"] <= 6
    else:
        assert grown["failed"] >= 1
        assert grown["seen"] == 0


def test_bytes_that_wait_are_bounded_too():
    gate = threading.Event()

    class Stuck(Observer):
        name, share = "stuck", 1.0

        def see(self, answered):
            gate.wait(5)

    observers = Observers([Stuck()], capacity=1000, max_bytes=3 * len(PICTURE))
    for _ in range(10):
        observers.tell(answered())
    dropped = counted(OBSERVED, "stuck", "dropped")
    gate.set()
    observers.close()
    assert dropped in (6, 7), "three wait, and one may be with the observer"
    assert counted(OBSERVED, "stuck", "seen") == 10 - dropped


def test_one_observer_does_not_starve_another(tmp_path):
    store = DiskStore(tmp_path)
    with shadow_server(reply(PROBABILITIES), seconds=0.7) as (url, _):
        log = FeatureLog(store, PayloadPolicy(share=1.0, rows=20))
        observers = Observers([Shadow(ShadowPolicy(url, share=1.0)), log])
        for _ in range(20):
            observers.tell(answered())
        assert wait_for(lambda: list(store.list("served")), 0.6)
        observers.close()


def test_a_share_is_drawn_per_observer():
    class Seen(Observer):
        name, share = "seen", 0.3

        def __init__(self):
            self.ids = []

        def see(self, answered):
            self.ids.append(answered.request_id)

    seen, draws = Seen(), iter([0.1, 0.9, 0.29, 0.3])
    observers = Observers([seen], draw=lambda: next(draws))
    for number in range(4):
        observers.tell(answered(request_id=str(number)))
    observers.close()
    assert seen.ids == ["0", "2"]


def rows(store: DiskStore) -> list[ServedRow]:
    return [
        from_json(ServedRow, line)
        for key in store.list("served")
        for line in (store.read(key) or b"").splitlines()
    ]


def test_features_and_probabilities_are_kept_and_no_picture(tmp_path):
    store = DiskStore(tmp_path)
    observers = Observers([FeatureLog(store, PayloadPolicy(share=1.0))])
    refused = Answer(reason="truncated", message="half a file")
    observers.tell(
        answered(
            (PICTURE, b"half", np.full((4, 6, 1), 9, np.uint8)),
            (Answer("happy", PROBABILITIES), refused, Answer("sad", {"sad": 1.0})),
        )
    )
    observers.close()
    first, second = rows(store)
    assert (first.label, first.probabilities, first.version, first.width, first.height) == (
        "happy",
        PROBABILITIES,
        "v1",
        24,
        20,
    )
    assert (first.brightness, first.contrast) == pytest.approx((115.0, 69.221866), abs=1e-5)
    assert (second.label, second.brightness, second.contrast, second.entropy) == (
        "sad",
        9.0,
        0.0,
        0.0,
    )
    assert (second.width, second.height) == (6, 4)
    (key,) = store.list("served")
    content = store.read(key) or b""
    assert len(content) < 1000
    assert b"PNG" not in content


def test_features_are_those_that_ingestion_writes():
    """One function measures both, so a distance between them is one of the pictures."""
    from components.serving.observers.payload_log import row_of
    from components.shared.images.decode import decode
    from components.shared.images.features import gray, measure

    row = row_of(PICTURE, Answer("happy", PROBABILITIES), "v1", datetime.now(timezone.utc))
    measures = measure(gray(decode(PICTURE).pixels))
    assert (row.sharpness, row.entropy) == pytest.approx(
        (measures.sharpness, measures.entropy), abs=1e-6
    )


def test_a_file_ends_when_it_is_full_old_or_of_yesterday(tmp_path):
    store, clock = DiskStore(tmp_path), [datetime(2026, 11, 21, 23, 50, tzinfo=timezone.utc)]
    log = FeatureLog(store, PayloadPolicy(share=1.0, rows=3, seconds=60.0), now=lambda: clock[0])
    log.see(answered((PICTURE,) * 4))
    assert len(list(store.list("served"))) == 1, "full"
    log.tick()
    assert len(list(store.list("served"))) == 1, "not old yet"
    clock[0] += timedelta(seconds=61)
    log.tick()
    assert len(list(store.list("served"))) == 2, "old"
    log.see(answered())
    clock[0] += timedelta(minutes=10)
    log.see(answered())
    log.close()
    assert [key.split("/")[2] for key in store.list("served")] == ["2026-11-21"] * 3 + [
        "2026-11-22"
    ]
    assert len(rows(store)) == 6


def test_a_store_that_fails_loses_a_file_and_nothing_else(tmp_path, caplog):
    class Failing(DiskStore):
        fails = 1

        def write(self, key, content):
            if self.fails:
                self.fails -= 1
                raise OSError("no space")
            super().write(key, content)

    store = Failing(tmp_path)
    observers = Observers([FeatureLog(store, PayloadPolicy(share=1.0, rows=2))])
    for _ in range(4):
        observers.tell(answered())
    observers.close()
    assert len(rows(store)) == 2
    assert "the observer payload failed" in caplog.text
