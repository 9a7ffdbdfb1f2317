"""Builders for tests.

Small model artifacts that really run, made of NumPy weights without TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, ModelManifest
from components.shared.images.decode import encode_png, to_input
from components.shared.labels import taxonomy
from components.shared.preset import ImageSpec
from components.shared.run_plan import Listing, NightPlan, Pointer
from tests.artifacts import pattern

LABELS = taxonomy("basic-7").labels
SMALL = ImageSpec(16, 16, 1)


def stripe_weights(
    spec: ImageSpec = SMALL,
    labels: tuple[str, ...] = LABELS,
    sharpness: float = 0.1,
    noise: float = 0.0,
    seed: int = 1,
) -> np.ndarray:
    """Float32 weights ``[height * width * channels, labels]`` that read `tests.artifacts.pattern`.

    ``noise`` makes them worse.
    """
    weights = np.zeros((spec.height, spec.width * spec.channels, len(labels)), np.float32)
    step = spec.height / 16
    for index in range(len(labels)):
        weights[round(2 * index * step) : round((2 * index + 2) * step), :, index] = sharpness / (
            2 * step * spec.width * spec.channels
        )
    flat = weights.reshape(-1, len(labels))
    scale = noise * float(flat.max())
    return (flat + np.random.default_rng(seed).normal(0, scale, flat.shape)).astype(np.float32)


def softmax_of(pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What a linear model answers for uint8 pixels ``[n, h, w, c]``.

    Probabilities ``[n, labels]``.
    """
    logits = pixels.reshape(len(pixels), -1).astype(np.float64) @ weights
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def tflite(spec: ImageSpec, weights: np.ndarray) -> bytes:
    """A .tflite file: uint8 pixels of any batch size, cast, flattened, fully connected, softmax."""
    inputs, outputs = weights.shape
    kinds = schema.TensorType
    shape = [spec.height, spec.width, spec.channels]
    flat, matrix = np.array([-1, inputs], np.int32), np.ascontiguousarray(weights.T, np.float32)
    buffers = [schema.BufferT()] + [
        schema.BufferT(data=np.frombuffer(array.tobytes(), np.uint8)) for array in (flat, matrix)
    ]
    tensors = [
        _tensor("pixels", [1, *shape], kinds.UINT8, signature=[-1, *shape]),
        _tensor("floats", [1, *shape], kinds.FLOAT32, signature=[-1, *shape]),
        _tensor("shape", [2], kinds.INT32, buffer=1),
        _tensor("flat", [1, inputs], kinds.FLOAT32, signature=[-1, inputs]),
        _tensor("weights", [outputs, inputs], kinds.FLOAT32, buffer=2),
        _tensor("logits", [1, outputs], kinds.FLOAT32, signature=[-1, outputs]),
        _tensor("probabilities", [1, outputs], kinds.FLOAT32, signature=[-1, outputs]),
    ]
    code, option = schema.BuiltinOperator, schema.BuiltinOptions
    steps = [
        (
            code.CAST,
            [0],
            1,
            option.CastOptions,
            schema.CastOptionsT(inDataType=kinds.UINT8, outDataType=kinds.FLOAT32),
        ),
        (code.RESHAPE, [1, 2], 3, option.ReshapeOptions, schema.ReshapeOptionsT(newShape=flat)),
        (
            code.FULLY_CONNECTED,
            [3, 4, -1],
            5,
            option.FullyConnectedOptions,
            schema.FullyConnectedOptionsT(),
        ),
        (code.SOFTMAX, [5], 6, option.SoftmaxOptions, schema.SoftmaxOptionsT(beta=1.0)),
    ]
    operators = [
        schema.OperatorT(
            opcodeIndex=index,
            inputs=takes,
            outputs=[gives],
            builtinOptionsType=kind,
            builtinOptions=options,
        )
        for index, (_, takes, gives, kind, options) in enumerate(steps)
    ]
    codes = [
        schema.OperatorCodeT(deprecatedBuiltinCode=step[0], builtinCode=step[0], version=1)
        for step in steps
    ]
    graph = schema.SubGraphT(
        tensors=tensors, inputs=[0], outputs=[6], operators=operators, name="main"
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(
        schema.ModelT(version=3, operatorCodes=codes, subgraphs=[graph], buffers=buffers).Pack(
            builder
        ),
        file_identifier=b"TFL3",
    )
    return bytes(builder.Output())


def write_model(
    folder: Path,
    weights: np.ndarray,
    *,
    labels: tuple[str, ...] = LABELS,
    spec: ImageSpec = SMALL,
    golden: int = 7,
    golden_error: float = 0.0,
    model_name: str = "small",
    snapshot_id: str = "none",
) -> ModelManifest:
    """Write a model artifact as training does.

    ``golden_error`` is added to the first expected probability of each golden image.
    """
    contract.start(folder)
    (folder / "model.tflite").write_bytes(tflite(spec, weights))
    rng = np.random.default_rng(5)
    expected: dict[str, list[float]] = {}
    (folder / "golden").mkdir()
    for index in range(golden):
        pixels = pattern(index % len(labels), rng)
        name = f"{index:064x}.png"
        (folder / "golden" / name).write_bytes(encode_png(pixels))
        probabilities = softmax_of(to_input(pixels, spec)[None], weights)[0]
        probabilities[0] += golden_error
        expected[name] = [float(value) for value in probabilities]
    (folder / "golden" / "expected.json").write_text(json.dumps(expected))
    manifest = ModelManifest(
        LAYOUT_VERSION,
        model_name,
        "small",
        labels,
        spec,
        "model.tflite",
        "linear",
        weights.size,
        1.0,
        0.9,
        snapshot_id,
        "tests",
        7,
        contract.checksums(folder, without="model.json"),
    )
    contract.finish(folder, "model", manifest)
    return manifest


def night(champion: str | None = None, anchor: str | None = None) -> NightPlan:
    """A night plan that names these versions."""

    def pointer(version: str | None) -> Pointer | None:
        return Pointer(version, "run-0", "2026-01-01T00:00:00+00:00") if version else None

    listing = Listing("faces", "faces", "folders", "l", 1, 1)
    return NightPlan(
        "new",
        "first night",
        "p",
        "c",
        "f",
        listing,
        champion=pointer(champion),
        anchor=pointer(anchor),
    )


def _tensor(
    name: str, shape: list[int], kind: int, *, signature: list[int] | None = None, buffer: int = 0
) -> schema.TensorT:
    return schema.TensorT(
        name=name,
        shape=shape,
        type=kind,
        buffer=buffer,
        shapeSignature=signature,
        quantization=schema.QuantizationParametersT(),
    )
