"""The predictor: KServe's model interface around a classifier."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kserve import InferRequest, InferResponse, Model
from kserve.errors import InvalidInput
from kserve.metrics import POST_HIST_TIME, PRE_HIST_TIME, PREDICT_HIST_TIME, get_labels
from kserve.protocol.infer_type import to_http_parameters

from components.serving import metrics
from components.serving.observers.observers import Answered, Observers
from components.serving.photos.face_detector import FaceDetector
from components.serving.photos.photos import Answering, PhotoClassifier
from components.serving.predictor.classifier import Answer, Classifier, Sent
from components.serving.predictor.workers import Lanes
from components.serving.protocol.payload import WANTED, as_asked, images_of_v1, images_of_v2
from components.serving.protocol.tensors import response_of_faces, response_to
from components.shared.errors import InputError
from components.shared.images.decode import ImageRefused, Pixels


@dataclass(slots=True)
class Work:
    """One request on its way.

    Its images, then their answers, and the protocol and id that its answer takes.

    Attributes:
        request: of the V2 protocol; None in V1. single: the body is one image, so its error is the
            request's.
    """

    images: list[Sent]
    request: InferRequest | None
    request_id: str
    single: bool = False
    answers: tuple[Answer, ...] = ()


class Predictor(Model):  # type: ignore[misc]
    """Answers images with label and probabilities.

    See `components.serving.protocol.payload` for the wire format.

    Args:
        name: that clients use. folder: the model artifact. observers: are told of each answer.
        faces: look for faces in images, and answer each face.

    Attributes:
        detects: whether it looks for faces.
    """

    classifier: Answering

    def __init__(
        self, name: str, folder: Path, observers: Observers | None = None, *, faces: bool = False
    ) -> None:
        super().__init__(name)
        self.detects = faces
        self._folder = folder
        self._observers = observers or Observers()
        self._seconds = [
            histogram.labels(**get_labels(name))
            for histogram in (PRE_HIST_TIME, PREDICT_HIST_TIME, POST_HIST_TIME)
        ]

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: Any = None
    ) -> tuple[Any, dict[str, str]]:
        """KServe's three steps under KServe's three histograms.

        Its own way there takes 90 microseconds of CPU more.
        """
        began = time.perf_counter()
        work = await self.preprocess(body, headers)
        read = time.perf_counter()
        work = await self.predict(work, headers)
        predicted = time.perf_counter()
        response = await self.postprocess(work, headers)
        for histogram, seconds in zip(
            self._seconds,
            (read - began, predicted - read, time.perf_counter() - predicted),
            strict=True,
        ):
            histogram.observe(seconds)
        return response, {}

    def load(self) -> bool:
        """Verify and load the artifact.

        Raises ContractError when it isn't what its manifest says.
        """
        classifier = Classifier(self._folder)
        self.classifier = (
            PhotoClassifier(classifier, FaceDetector()) if self.detects else classifier
        )
        self._lanes = Lanes(self.classifier)
        metrics.LOADED.labels(self.name, self.classifier.version).set(1)
        self.ready = True
        return self.ready

    def stop(self) -> None:
        """Let through what observers have waiting; called last."""
        self.ready = False
        self._lanes.close()
        self._observers.close()

    def get_input_types(self) -> list[dict[str, Any]]:
        """See `Model.get_input_types`."""
        image = self.classifier.image
        return [
            {
                "name": "image",
                "datatype": "UINT8",
                "shape": [-1, image.height, image.width, image.channels],
            }
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """See `Model.get_output_types`."""
        labels = len(self.classifier.labels)
        shapes = {
            "label": ("BYTES", [-1]),
            "probabilities": ("FP32", [-1, labels]),
            "error": ("BYTES", [-1]),
        }
        if self.detects:
            shapes |= {"image": ("INT32", [-1]), "box": ("INT32", [-1, 4])}
        return [
            {"name": name, "datatype": datatype, "shape": shape}
            for name, (datatype, shape) in shapes.items()
        ]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Work:
        """Return what was sent to images.

        Raises InvalidInput (HTTP 400) when the request as a whole can't be used.
        """
        request_id = (headers or {}).get("x-request-id") or os.urandom(16).hex()
        try:
            if isinstance(payload, InferRequest):
                images = images_of_v2(payload.inputs, self.classifier.image)
                asked = as_asked(images, to_http_parameters(payload.parameters or {}), self.detects)
                return Work(asked, payload, payload.id or request_id)
            single = isinstance(payload, bytes)
            asked = as_asked(
                images_of_v1(payload), {} if single else payload.get("parameters"), self.detects
            )
            return Work(asked, None, request_id, single)
        except InputError as error:
            raise InvalidInput(str(error)) from error

    async def predict(
        self,
        payload: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Work:
        """Images to answers. Raises InvalidInput when the body was one image that can't be read."""
        answers = tuple(await self._lanes.classify(payload.images))
        for answer in answers:
            if answer.reason:
                metrics.REJECTED.labels(answer.reason).inc()
                continue
            for each in answer.each():
                metrics.LABELS.labels(each.label).inc()
        if payload.single and answers[0].reason:
            raise InvalidInput(str(_refusal(answers[0])))
        payload.answers = answers
        return payload

    async def postprocess(
        self,
        result: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Answers to the response of the protocol that asked."""
        if self._observers:
            pairs = [
                pair
                for image, answer in zip(result.images, result.answers, strict=True)
                for pair in _seen(image, answer)
            ]
            images, answers = (
                tuple(image for image, _ in pairs),
                tuple(answer for _, answer in pairs),
            )
            self._observers.tell(
                Answered(result.request_id, images, answers, self.name, self.classifier.version)
            )
        if result.request is not None:
            response = response_of_faces if self.detects else response_to
            return response(
                result.request,
                result.request_id,
                self.classifier.labels,
                result.answers,
                self.classifier.version,
            )
        return {
            "predictions": [answer.plain() for answer in result.answers],
            "model_name": self.name,
            "model_version": self.classifier.version,
        }


def _seen(image: Sent, answer: Answer) -> list[tuple[bytes | Pixels | None, Answer]]:
    """Return what observers are told of an image: itself, or each face that was cut out of it."""
    if answer.faces is not None:
        return [(face.pixels, face.answer) for face in answer.faces]
    return [(None if isinstance(image, ImageRefused) else image, answer)]


def _refusal(answer: Answer) -> InputError:
    return InputError(
        f"the body is no image that can be read ({answer.reason}: {answer.message})",
        expected=WANTED,
    )
