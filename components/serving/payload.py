"""Requests to images, answers to responses. Knows the two protocols, not the server.

V1, request    {"instances": [{"image": {"b64": "<base64 of a JPEG, PNG or WebP>"}}, ...]}
               or one image's own bytes with a content type image/...
V1, response   {"predictions": [{"label", "probabilities": {label: p}} or {"error": {"reason", "message"}}, ...],
                "model_name", "model_version"}
V2, request    one input: BYTES [n] of images, base64 over HTTP and plain bytes over gRPC,
               or UINT8 [n, height, width, channels] of the model's own size
V2, response   label BYTES [n], probabilities FP32 [n, labels], error BYTES [n]; a row with an error has an
               empty label and zeros
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.contracts.errors import InputError
from components.contracts.preset import ImageSpec
from components.images.decode import ImageRefused, Pixels, read_input
from components.serving.classifier import Answer

MAX_IMAGES = 256
WANTED = (
    '{"instances": [{"image": {"b64": "<base64 of a JPEG, PNG or WebP file>"}}, ...]}, '
    "or the bytes of one image with a content type image/..."
)
WANTED_TENSOR = "one input, BYTES [n] with base64 of image files, or UINT8 {shape}"


@dataclass(frozen=True)
class Batch:
    """Images on their way through the model.

    Attributes:
        pixels: uint8 ``[readable, height, width, channels]``.
        refused: one entry per image that was sent, None where it is readable.
    """

    pixels: Pixels
    refused: tuple[Answer | None, ...]


def read_batch(contents: Sequence[bytes | ImageRefused], spec: ImageSpec) -> Batch:
    """Decode images; one that can't be read doesn't harm the others."""
    pixels: list[Pixels] = []
    refused: list[Answer | None] = []
    for content in contents:
        try:
            if isinstance(content, ImageRefused):
                raise content
            pixels.append(read_input(content, spec))
            refused.append(None)
        except ImageRefused as error:
            refused.append(Answer(reason=error.reason, message=error.detail))
    stacked = np.stack(pixels) if pixels else np.zeros((0, spec.height, spec.width, spec.channels), np.uint8)
    return Batch(stacked, tuple(refused))


def answers(batch: Batch, labels: Sequence[str], probabilities: np.ndarray) -> list[Answer]:
    """One answer per image that was sent, from the probabilities ``[readable, labels]``."""
    rows = iter(probabilities)
    return [refused or _answer(labels, next(rows)) for refused in batch.refused]


def images_of_v1(body: object) -> list[bytes | ImageRefused]:
    """The images of a V1 request.

    Raises:
        InputError: the request as a whole can't be used; the message says what to send.
    """
    if isinstance(body, bytes):
        if not body.lstrip().startswith(b"{"):
            return [body]
        body = _json(body)  # JSON under a content type that the server didn't take for it
    if not isinstance(body, dict) or not isinstance(body.get("instances"), list):
        raise InputError("the request has no list of instances", expected=WANTED, received=_shown(body))
    instances = body["instances"]
    _require_count(len(instances))
    return [_image_of_instance(instance, index) for index, instance in enumerate(instances)]


def batch_of_v2(inputs: Sequence[Any], spec: ImageSpec) -> Batch:
    """The images of a V2 request, from its tensors (name, datatype, shape, data, as_numpy).

    Raises:
        InputError: the request as a whole can't be used; the message says what to send.
    """
    wanted = WANTED_TENSOR.format(shape=f"[n, {spec.height}, {spec.width}, {spec.channels}]")
    if len(inputs) != 1:
        raise InputError("the request has the wrong number of inputs", expected=wanted, received=f"{len(inputs)} inputs")
    tensor = inputs[0]
    readers: dict[str, Callable[[Any, ImageSpec, str], Batch]] = {"BYTES": _batch_of_bytes, "UINT8": _batch_of_pixels}
    if tensor.datatype not in readers:
        raise InputError("the input has the wrong type", expected=wanted, received=f"{tensor.datatype} {list(tensor.shape)}")
    return readers[tensor.datatype](tensor, spec, wanted)


def _batch_of_bytes(tensor: Any, spec: ImageSpec, wanted: str) -> Batch:
    values = list(_array(tensor, wanted).ravel())
    _require_count(len(values))
    return read_batch([value if isinstance(value, bytes) else _from_base64(str(value)) for value in values], spec)


def _batch_of_pixels(tensor: Any, spec: ImageSpec, wanted: str) -> Batch:
    shape = tuple(tensor.shape)
    if shape[1:] != (spec.height, spec.width, spec.channels):
        raise InputError("the pixels have the wrong shape", expected=wanted, received=f"UINT8 {list(shape)}")
    _require_count(shape[0])
    if isinstance(tensor.data, list) and tensor.data and not _are_bytes(tensor.data):
        raise InputError("the pixels aren't whole numbers from 0 to 255", expected=wanted)
    pixels: Pixels = np.ascontiguousarray(_array(tensor, wanted))
    return Batch(pixels, (None,) * len(pixels))


def _are_bytes(data: list[Any]) -> bool:
    try:
        values = np.asarray(data)
    except ValueError:  # rows of different length
        return False
    return values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255


def _array(tensor: Any, wanted: str) -> np.ndarray:
    try:
        array: np.ndarray = tensor.as_numpy()
    except Exception as error:  # the protocol library raises whatever NumPy and struct raise on hostile data
        raise InputError(
            "the input's data don't fit its shape", expected=wanted, received=f"{tensor.datatype} {list(tensor.shape)}"
        ) from error
    return array


def _image_of_instance(instance: object, index: int) -> bytes | ImageRefused:
    image = instance.get("image") if isinstance(instance, dict) else None
    text = image.get("b64") if isinstance(image, dict) else None
    if not isinstance(text, str):
        raise InputError(f"instance {index} has no image.b64", expected=WANTED, received=_shown(instance))
    return _from_base64(text)


def _from_base64(text: str) -> bytes | ImageRefused:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ImageRefused("not-base64", "the text isn't base64")


def _json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except ValueError as error:
        raise InputError(f"the request isn't valid JSON ({error})", expected=WANTED) from error
    return value


def _require_count(count: int) -> None:
    if not 1 <= count <= MAX_IMAGES:
        raise InputError(
            "the request has too few or too many images",
            expected=f"1 to {MAX_IMAGES}",
            received=str(count),
            fix="split it into several requests",
        )


def _answer(labels: Sequence[str], row: np.ndarray) -> Answer:
    return Answer(labels[int(row.argmax())], {label: float(value) for label, value in zip(labels, row, strict=True)})


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:5])) or 'no keys'}"
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "something else")
