"""Requests to images, and what to send instead of what can't be used.

Knows the two protocols, not the server.

V1, request    {"instances": [{"image": {"b64": "<base64 of a JPEG, PNG or WebP>"}}, ...]}
               or one image's own bytes with the content type image/jpeg, image/png or image/webp
V1, response   {"predictions": [{"label", "probabilities": {label: p}} or {"error": {"reason", "message"}}, ...],
                "model_name", "model_version"}
V2, request    one input: BYTES [n] of images, plain bytes in the binary extension and over gRPC, base64 in JSON,
               or UINT8 [n, height, width, channels] of the model's own size
V1 and V2      "parameters": {"faces": false} in the request, where the server looks for faces, says that each image is a
               crop of one already, to be answered as it is
V2, response   label BYTES [n], probabilities FP32 [n, labels], error BYTES [n]; a row with an error has an
               empty label and zeros
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from components.serving.predictor.classifier import Crop, Sent
from components.shared.errors import InputError
from components.shared.images.decode import ImageRefused
from components.shared.preset import ImageSpec

MAX_IMAGES = 256
WANTED = (
    '{"instances": [{"image": {"b64": "<base64 of a JPEG, PNG or WebP file>"}}, ...]}, '
    "or the bytes of one image with the content type image/jpeg, image/png or image/webp"
)
WANTED_TENSOR = "one input, BYTES [n] of image files (base64 in JSON), or UINT8 {shape}"


def images_of_v1(body: object) -> list[Sent]:
    """Return the images of a V1 request: one image's own bytes, or what its JSON says.

    Raises:
        InputError: the request as a whole can't be used; the message says what to send.
    """
    if isinstance(body, bytes):
        return [body]
    if not isinstance(body, dict) or not isinstance(body.get("instances"), list):
        raise InputError(
            "the request has no list of instances", expected=WANTED, received=_shown(body)
        )
    instances = body["instances"]
    require_count(len(instances))
    return [_image_of_instance(instance, index) for index, instance in enumerate(instances)]


def images_of_v2(inputs: Sequence[Any], spec: ImageSpec) -> list[Sent]:
    """Return the images of a V2 request, from its tensors (name, datatype, shape, data, as_numpy).

    Raises:
        InputError: the request as a whole can't be used; the message says what to send.
    """
    wanted = wanted_tensor(spec)
    if len(inputs) != 1:
        raise InputError(
            "the request has the wrong number of inputs",
            expected=wanted,
            received=f"{len(inputs)} inputs",
        )
    tensor = inputs[0]
    readers: dict[str, Callable[[Any, ImageSpec, str], list[Sent]]] = {
        "BYTES": _images_of_bytes,
        "UINT8": _images_of_pixels,
    }
    if tensor.datatype not in readers:
        raise InputError(
            "the input has the wrong type",
            expected=wanted,
            received=f"{tensor.datatype} {list(tensor.shape)}",
        )
    return readers[tensor.datatype](tensor, spec, wanted)


def as_asked(images: list[Sent], parameters: object, detects: bool) -> list[Sent]:
    """Return the images of a request, as `Crop`s where its parameters say that faces needn't be looked for.

    Args:
        detects: whether this server looks for faces.

    Raises:
        InputError: faces are wanted of a server that looks for none, or the parameter is no truth
            value.
    """
    wanted = parameters.get("faces", detects) if isinstance(parameters, dict) else detects
    if wanted is not False and wanted is not detects:
        expected = (
            "true for photos, false for crops of faces"
            if detects
            else "false: this server takes crops of faces"
        )
        raise InputError(
            "the parameter faces can't be followed", expected=expected, received=repr(wanted)[:40]
        )
    return (
        images
        if wanted is detects
        else [Crop(image) if isinstance(image, bytes) else image for image in images]
    )


def json_of(body: bytes, wanted: str) -> object:
    """Return what a body says as JSON. Raises InputError, which says what is ``wanted`` instead."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the request isn't valid JSON ({error})", expected=wanted) from error
    return value


def wanted_tensor(spec: ImageSpec) -> str:
    """In words, what a V2 request holds."""
    return WANTED_TENSOR.format(shape=f"[n, {spec.height}, {spec.width}, {spec.channels}]")


def require_count(count: int) -> None:
    """Require that a request has 1 to `MAX_IMAGES` images. Raises InputError."""
    if not 1 <= count <= MAX_IMAGES:
        raise InputError(
            "the request has too few or too many images",
            expected=f"1 to {MAX_IMAGES}",
            received=str(count),
            fix="split it into several requests",
        )


def _images_of_bytes(tensor: Any, spec: ImageSpec, wanted: str) -> list[Sent]:
    if tensor.shape:
        require_count(tensor.shape[0])
    values = list(_array(tensor, wanted).ravel())
    require_count(len(values))
    return [value if isinstance(value, bytes) else _from_base64(value) for value in values]


def _images_of_pixels(tensor: Any, spec: ImageSpec, wanted: str) -> list[Sent]:
    shape = tuple(tensor.shape)
    if shape[1:] != (spec.height, spec.width, spec.channels):
        raise InputError(
            "the pixels have the wrong shape", expected=wanted, received=f"UINT8 {list(shape)}"
        )
    require_count(shape[0])
    if isinstance(tensor.data, list) and tensor.data and not _are_pixels(tensor.data):
        raise InputError("the pixels aren't whole numbers from 0 to 255", expected=wanted)
    return list(np.ascontiguousarray(_array(tensor, wanted)))


def _are_pixels(data: list[Any]) -> bool:
    try:
        values = np.asarray(data)
    except ValueError:  # rows of different length
        return False
    return values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255


def _array(tensor: Any, wanted: str) -> np.ndarray:
    try:
        array: np.ndarray = tensor.as_numpy()
    except (
        Exception
    ) as error:  # the protocol library raises whatever NumPy and struct raise on hostile data
        raise InputError(
            "the input's data don't fit its shape",
            expected=wanted,
            received=f"{tensor.datatype} {list(tensor.shape)}",
        ) from error
    return array


def _image_of_instance(instance: object, index: int) -> Sent:
    image = instance.get("image") if isinstance(instance, dict) else None
    text = image.get("b64") if isinstance(image, dict) else None
    if not isinstance(text, str):
        raise InputError(
            f"instance {index} has no image.b64", expected=WANTED, received=_shown(instance)
        )
    return _from_base64(text)


def _from_base64(text: object) -> Sent:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return ImageRefused("not-base64", "the text isn't base64")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:5]))[:80] or 'no keys'}"
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "something else")
