"""Predict image files without a server, through the server's own code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from components.contracts.errors import InputError
from components.images.decode import ImageRefused
from components.serving.classifier import Answer, Classifier
from components.serving.payload import MAX_IMAGES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``predict`` takes."""
    parser.add_argument("--model-dir", required=True, type=Path, help="model artifact")
    parser.add_argument("--image", required=True, type=Path, nargs="+", metavar="FILE", help="image files")
    parser.add_argument("--json", action="store_true", help="one JSON object per line instead of words")


def predict(arguments: argparse.Namespace) -> int:
    """Print one line per image. Returns 2 when an image couldn't be read, 0 otherwise."""
    classifier = Classifier(arguments.model_dir)
    failed = False
    for start in range(0, len(arguments.image), MAX_IMAGES):
        paths = arguments.image[start : start + MAX_IMAGES]
        for path, answer in zip(paths, classifier.classify([_content(path) for path in paths]), strict=True):
            failed |= bool(answer.reason)
            print(
                json.dumps({"image": str(path), **answer.plain(), "model_version": answer.version})
                if arguments.json
                else _line(path, answer)
            )
    return InputError.exit_code if failed else 0


def _content(path: Path) -> bytes | ImageRefused:
    try:
        return path.read_bytes()
    except OSError as error:
        return ImageRefused("unreadable", error.strerror or str(error))


def _line(path: Path, answer: Answer) -> str:
    if answer.reason:
        return f"{path}: {answer.reason}, {answer.message}"
    ranked = sorted((answer.probabilities or {}).items(), key=lambda item: -item[1])
    first, *others = [f"{label} {100 * value:.1f} %" for label, value in ranked[:3]]
    return f"{path}: {first} ({', '.join(others)})"
