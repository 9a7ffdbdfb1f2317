"""The predictor: KServe's model interface around a served model."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput

from components.contracts.errors import InputError
from components.images.decode import ImageRefused
from components.inference.model import ServedModel
from components.serving.classifier import Answer
from components.serving.payload import WANTED, Batch, answers, batch_of_v2, images_of_v1, read_batch


@dataclass(frozen=True)
class Work:
    """One request on its way: its images, and the protocol and id that its answer takes."""

    batch: Batch
    request: InferRequest | None
    answers: tuple[Answer, ...] = ()


class Predictor(Model):  # type: ignore[misc]
    """Answers images with label and probabilities. See `components.serving.payload` for the wire format.

    The handlers run one after the other on the server's event loop: the runtime isn't thread-safe, uses
    all threads for one request anyway, and is done in a millisecond or two.

    Args:
        name: that clients use. folder: the model artifact. threads: of the runtime.
    """

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        super().__init__(name)
        self._folder = folder
        self._threads = threads

    def load(self) -> bool:
        """Verify and load the artifact. Raises ContractError when it isn't what its manifest says."""
        self.model = ServedModel(self._folder, self._threads)
        self.ready = True
        return self.ready

    def get_input_types(self) -> list[dict[str, Any]]:
        image = self.model.manifest.image
        return [{"name": "image", "datatype": "UINT8", "shape": [-1, image.height, image.width, image.channels]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        labels = len(self.model.manifest.labels)
        shapes = {"label": ("BYTES", [-1]), "probabilities": ("FP32", [-1, labels]), "error": ("BYTES", [-1])}
        return [{"name": name, "datatype": datatype, "shape": shape} for name, (datatype, shape) in shapes.items()]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Work:
        """Bytes to pixels. Raises InvalidInput (HTTP 400) when the request as a whole can't be used."""
        image = self.model.manifest.image
        try:
            if isinstance(payload, InferRequest):
                return Work(batch_of_v2(payload.inputs, image), payload)
            batch = read_batch(images_of_v1(payload), image)
            if isinstance(payload, bytes) and len(batch.refused) == 1 and batch.refused[0]:
                raise _refusal(batch.refused[0])
            return Work(batch, None)
        except InputError as error:
            raise InvalidInput(str(error)) from error

    async def predict(self, payload: Work, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None) -> Work:
        """Pixels to answers."""
        found = answers(payload.batch, self.model.manifest.labels, self.model.predict(payload.batch.pixels))
        return Work(payload.batch, payload.request, tuple(found))

    async def postprocess(
        self, result: Work, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        """Answers to the response of the protocol that asked."""
        version = self.model.manifest.version
        if result.request is None:
            return {"predictions": [answer.plain() for answer in result.answers], "model_name": self.name, "model_version": version}
        rows, labels = len(result.answers), self.model.manifest.labels
        table = [(answer.probabilities or {}).get(label, 0.0) for answer in result.answers for label in labels]
        outputs = [
            InferOutput("label", [rows], "BYTES", [answer.label for answer in result.answers]),
            InferOutput("probabilities", [rows, len(labels)], "FP32", table, {"labels": ",".join(labels)}),
            InferOutput(
                "error", [rows], "BYTES", [f"{answer.reason}: {answer.message}" if answer.reason else "" for answer in result.answers]
            ),
        ]
        return InferResponse(result.request.id or str(uuid.uuid4()), self.name, outputs, model_version=version)


def _refusal(answer: Answer) -> InputError:
    error = ImageRefused(answer.reason, answer.message)
    return InputError(f"the body is no image that can be read ({error})", expected=WANTED)
