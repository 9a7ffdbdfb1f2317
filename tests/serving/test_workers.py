"""Lanes.

Every image is answered whoever else asks, requests take turns, and what fails harms nobody else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.serving.predictor.classifier import Answer, Classifier
from components.serving.predictor.workers import Lanes, TooBusyError
from components.shared.errors import InputError
from components.shared.images.decode import ImageRefused, encode_png
from tests.artifacts import pattern

PICTURES = [encode_png(pattern(index, np.random.default_rng(index))) for index in range(7)]


class Slow:
    """Stands for a classifier whose runtime takes its time.

    Remembers who answered what, in which order.
    """

    def __init__(self, seen: list[Any], gate: threading.Event | None = None) -> None:
        self.seen, self.gate = seen, gate

    def twin(self, threads: int) -> Slow:
        return Slow(self.seen, self.gate)

    def read(self, image: Any) -> Any:
        return image

    def answers(self, images: Any) -> list[Answer]:
        return [self.answer(image) for image in images]

    def answer(self, image: Any) -> Answer:
        if self.gate:
            assert self.gate.wait(10)
        time.sleep(0.002)
        self.seen.append(image)
        if image == b"broken":
            raise RuntimeError("the runtime failed")
        return Answer(label=str(image))


@contextmanager
def lanes(classifier: Any, **options: Any) -> Iterator[Lanes]:
    made = Lanes(classifier, **options)
    yield made
    made.close()
    for thread in made._threads:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("cpus", [1, 2, 6])
def test_every_request_gets_its_own_answers_in_order(model_folder: Path, cpus: int) -> None:
    async def ask(made: Lanes) -> list[list[Answer]]:
        requests = [
            [PICTURES[(start + step) % 7] for step in range(1 + start % 5)] for start in range(40)
        ]
        return await asyncio.gather(*(made.classify(images) for images in requests))

    classifier = Classifier(model_folder, threads=1)
    expected = [classifier.answer(picture) for picture in PICTURES]
    assert len({str(answer.probabilities) for answer in expected}) == 7
    with lanes(classifier, cpus=cpus) as made:
        for start, answers in enumerate(asyncio.run(ask(made))):
            assert answers == [expected[(start + step) % 7] for step in range(1 + start % 5)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0, 3, 6, None]), max_size=6), min_size=1, max_size=8))
def test_what_cant_be_read_stays_in_its_place(
    model_folder: Path, requests: list[list[int | None]]
) -> None:
    async def ask(made: Lanes) -> list[list[Answer]]:
        images = [
            [ImageRefused("odd", "x") if each is None else PICTURES[each] for each in request]
            for request in requests
        ]
        return await asyncio.gather(*(made.classify(each) for each in images))

    classifier = Classifier(model_folder, threads=1)
    expected = dict(
        zip(
            [*range(7), None],
            map(classifier.answer, [*PICTURES, ImageRefused("odd", "x")]),
            strict=True,
        )
    )
    with lanes(classifier, cpus=2) as made:
        assert asyncio.run(ask(made)) == [
            [expected[each] for each in request] for request in requests
        ]


def test_a_large_request_lets_small_ones_through() -> None:
    seen: list[Any] = []

    async def ask(made: Lanes) -> None:
        large = asyncio.create_task(made.classify([("large", index) for index in range(60)]))  # type: ignore[list-item]
        await asyncio.sleep(0.01)
        await asyncio.gather(*(made.classify([("small", index)]) for index in range(3)))  # type: ignore[list-item]
        assert not large.done()
        await large

    with lanes(Slow(seen), cpus=1) as made:
        asyncio.run(ask(made))
    assert len(seen) == 63


def test_a_failing_runtime_is_the_requests_own_trouble() -> None:
    async def ask(made: Lanes) -> list[Any]:
        requests = ([b"a", b"broken", b"c"], [b"d"], [b"e", b"f"])
        return await asyncio.gather(
            *(made.classify(images) for images in requests), return_exceptions=True
        )

    with lanes(Slow([]), cpus=2) as made:
        failed, first, second = asyncio.run(ask(made))
        assert isinstance(failed, RuntimeError)
        assert [answer.label for answer in [*first, *second]] == ["b'd'", "b'e'", "b'f'"]
        assert asyncio.run(made.classify([b"g"]))[0].label == "b'g'"


def test_too_many_are_turned_away_at_once_and_leavers_make_room() -> None:
    gate = threading.Event()

    async def ask(made: Lanes) -> None:
        waiting = [asyncio.create_task(made.classify([b"x"] * 50)) for _ in range(3)]
        await asyncio.sleep(0.01)
        with pytest.raises(TooBusyError, match="3 requests wait"):
            await made.classify([b"y"])
        waiting[0].cancel()
        await asyncio.sleep(0.01)
        late = asyncio.create_task(made.classify([b"y"]))
        gate.set()
        await asyncio.gather(*waiting[1:], late)

    seen: list[Any] = []
    with lanes(Slow(seen, gate), cpus=1, max_waiting=3) as made:
        asyncio.run(ask(made))
    assert len(seen) < 110  # nobody computes for who has gone


def test_pixels_of_another_shape_are_an_error_not_an_answer(model_folder: Path) -> None:
    with (
        lanes(Classifier(model_folder, threads=1), cpus=2) as made,
        pytest.raises(InputError, match="aren't what the model takes"),
    ):
        asyncio.run(made.classify([np.zeros((4, 4, 1), np.uint8)]))


def test_a_neighbour_of_another_shape_harms_nobody_in_the_same_run_of_the_model(
    model_folder: Path,
) -> None:
    async def ask(made: Lanes) -> list[Any]:
        await made.classify([PICTURES[0]] * 3)  # how long an image takes is known from here on
        images = [
            np.zeros((4, 4, 1), np.uint8) if number == 5 else PICTURES[number % 7]
            for number in range(12)
        ]
        return await asyncio.gather(
            *(made.classify([image]) for image in images), return_exceptions=True
        )

    ran: list[int] = []

    class Counting(Classifier):
        def answers(self, images: Any) -> list[Answer]:
            ran.append(len(images))
            return super().answers(images)

    classifier = Counting(model_folder, threads=1)
    expected = [classifier.answer(picture) for picture in PICTURES]
    with lanes(classifier, cpus=1) as made:
        found = asyncio.run(ask(made))
    assert isinstance(found.pop(5), InputError)
    assert [answers[0] for answers in found] == [
        expected[number % 7] for number in range(12) if number != 5
    ]
    assert max(ran) > 1
