"""The Open Inference Protocol (V2) in KServe's types.

A request's bytes to tensors, answers to tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import RequestedOutput

from components.serving.predictor.classifier import Answer
from components.serving.protocol.payload import json_of
from components.shared.errors import InputError

WANTED = (
    '{"inputs": [{"name": "image", "shape": [n], "datatype": "BYTES", "data": ["<base64>", ...]}]}'
)

OUTPUTS = ("label", "probabilities", "error", "image", "box")


def request_of(body: bytes, json_length: str | None, model_name: str) -> InferRequest:
    """Return a request of the V2 protocol over HTTP, with the binary tensor extension.

    Args:
        json_length: the header ``inference-header-content-length``: where the JSON ends and raw
            tensors begin.

    Raises:
        InputError: the body isn't such a request; the message says what to send.
    """
    end = len(body) if json_length is None else _length(json_length, len(body))
    value = json_of(body[:end], WANTED)
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list):
        raise InputError("the request has no list of inputs", expected=WANTED)
    raw = _Raw(body, end)
    inputs = [_input(tensor, raw) for tensor in value["inputs"]]
    if raw.left:
        raise InputError(
            "the binary data don't fit the inputs",
            expected="as many bytes as binary_data_size says",
            received=f"{raw.left} more",
        )
    parameters = value.get("parameters") if isinstance(value.get("parameters"), dict) else None
    outputs = [_output(each) for each in value.get("outputs") or ()]
    request_id = value.get("id")
    return InferRequest(
        model_name,
        inputs,
        request_id if isinstance(request_id, str) else None,
        parameters=parameters,
        request_outputs=outputs or None,
    )


def response_to(
    request: InferRequest,
    request_id: str,
    labels: Sequence[str],
    answers: Sequence[Answer],
    version: str,
) -> InferResponse:
    """Return the response to a V2 request: label, probabilities and error, a row each per image."""
    return _response(request, request_id, _rows(labels, answers), version)


def response_of_faces(
    request: InferRequest,
    request_id: str,
    labels: Sequence[str],
    answers: Sequence[Answer],
    version: str,
) -> InferResponse:
    """Return the same with a row per face, or per image that can't be read.

    A photo without a face has no row.

    Two more outputs: ``image``, INT32 ``[rows]``, the number of the image in the request; ``box``,
    INT32 ``[rows, 4]``, left, top, right and bottom, zeros where no faces were looked for.
    """
    numbers = [index for index, answer in enumerate(answers) for _ in answer.each()]
    boxes = [side for answer in answers for box in _boxes(answer) for side in box]
    outputs = [
        *_rows(labels, [each for answer in answers for each in answer.each()]),
        InferOutput("image", [len(numbers)], "INT32", numbers),
        InferOutput("box", [len(numbers), 4], "INT32", boxes),
    ]
    return _response(request, request_id, outputs, version)


def _boxes(answer: Answer) -> list[tuple[int, int, int, int]]:
    return [(0, 0, 0, 0)] if answer.faces is None else [face.box for face in answer.faces]


def _rows(labels: Sequence[str], answers: Sequence[Answer]) -> list[InferOutput]:
    rows = len(answers)
    table = [
        value
        for answer in answers
        for value in (answer.probabilities or dict.fromkeys(labels, 0.0)).values()
    ]
    errors = [f"{answer.reason}: {answer.message}" if answer.reason else "" for answer in answers]
    return [
        InferOutput("label", [rows], "BYTES", [answer.label for answer in answers]),
        InferOutput(
            "probabilities", [rows, len(labels)], "FP32", table, {"labels": ",".join(labels)}
        ),
        InferOutput("error", [rows], "BYTES", errors),
    ]


def _response(
    request: InferRequest, request_id: str, outputs: list[InferOutput], version: str
) -> InferResponse:
    return InferResponse(
        request_id,
        request.model_name,
        outputs,
        model_version=version,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


class _Raw:
    """The raw tensors behind the JSON, taken in the order of the inputs."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body, self._at = body, start

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def take(self, size: object, name: str) -> bytes:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= self.left:
            raise InputError(
                f"input {name} has no such binary data",
                expected=f"binary_data_size from 0 to {self.left}",
                received=repr(size)[:40],
            )
        self._at += size
        return self._body[self._at - size : self._at]


def _length(text: str, size: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > size:
        raise InputError(
            "inference-header-content-length is wrong",
            expected=f"the length of the JSON, at most {size}",
            received=repr(text)[:40],
        )
    return int(text)


def _input(tensor: Any, raw: _Raw) -> InferInput:
    name, kind, shape = (
        (tensor.get(key) for key in ("name", "datatype", "shape"))
        if isinstance(tensor, dict)
        else (None, None, None)
    )
    sized = isinstance(shape, list) and all(
        isinstance(size, int) and not isinstance(size, bool) for size in shape
    )
    if not isinstance(name, str) or not isinstance(kind, str) or not sized:
        raise InputError(
            "an input has no name, datatype or shape of whole numbers", expected=WANTED
        )
    parameters = tensor.get("parameters") if isinstance(tensor.get("parameters"), dict) else {}
    made = InferInput(name, shape, kind, parameters=parameters)
    if isinstance(tensor.get("data"), list):
        made.data = tensor["data"]
    elif "binary_data_size" in parameters:
        made._raw_data = raw.take(parameters["binary_data_size"], name[:40])
    else:
        raise InputError(f"input {name[:40]} has no data", expected=WANTED)
    return made


def _output(wanted: Any) -> RequestedOutput:
    if not isinstance(wanted, dict) or wanted.get("name") not in OUTPUTS:
        raise InputError(
            "there is no such output", expected=f"outputs of the names {', '.join(OUTPUTS)}"
        )
    parameters = wanted.get("parameters")
    return RequestedOutput(wanted["name"], parameters if isinstance(parameters, dict) else {})
