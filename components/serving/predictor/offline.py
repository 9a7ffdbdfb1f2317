"""Predict image files without a server, through the server's own code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.serving.photos.annotation import annotated
from components.serving.photos.face_detector import FaceDetector
from components.serving.photos.photos import Answering, PhotoClassifier
from components.serving.predictor.classifier import Answer, Classifier
from components.shared.artifacts.contract import write_atomically
from components.shared.errors import InputError
from components.shared.images.decode import ImageRefused, decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
WIDEST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``predict`` takes."""
    parser.add_argument("--model-dir", required=True, type=Path, help="model artifact")
    parser.add_argument(
        "--image", type=Path, nargs="+", default=[], metavar="FILE", help="image files"
    )
    parser.add_argument("--folder", type=Path, help="every image file below a folder")
    parser.add_argument(
        "--faces", action="store_true", help="photos: find the faces and answer each"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per line instead of a table"
    )
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="DIR",
        help="write each picture with its answer drawn on it, as PNG",
    )


def predict(arguments: argparse.Namespace) -> int:
    """Print one line per image, or per face. Returns 2 when an image couldn't be read, 0 otherwise.

    Raises:
        InputError: no image was named, or the folder has none.
    """
    paths = _paths(arguments.image, arguments.folder)
    crops = Classifier(arguments.model_dir)
    classifier: Answering = PhotoClassifier(crops, FaceDetector()) if arguments.faces else crops
    if not arguments.json:
        print(_heading(_width(paths)))
    failed = False
    for number, path in enumerate(paths, 1):
        content = _content(path)
        answer = classifier.answer(content)
        failed |= bool(answer.reason)
        if arguments.json:
            print(
                json.dumps({"image": str(path), **answer.plain(), "model_version": answer.version}),
                flush=True,
            )
        else:
            print("\n".join(_lines(path, answer, _width(paths))), flush=True)
        if arguments.annotate and isinstance(content, bytes) and not answer.reason:
            write_atomically(
                arguments.annotate / f"{number:04d}-{path.stem}.png",
                annotated(decode(content).pixels, answer),
            )
    return InputError.exit_code if failed else 0


def _paths(images: Sequence[Path], folder: Path | None) -> list[Path]:
    if folder is None:
        if images:
            return list(images)
        raise InputError("no image was named", expected="--image FILE or --folder DIR")
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", expected="a folder with images")
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not found and not images:
        raise InputError(
            f"{folder} has no images", expected=f"files that end in {', '.join(SUFFIXES)}"
        )
    return [*images, *found]


def _content(path: Path) -> bytes | ImageRefused:
    try:
        return path.read_bytes()
    except OSError as error:
        return ImageRefused("unreadable", error.strerror or str(error))


def _width(paths: Sequence[Path]) -> int:
    return min(WIDEST, max(len("image"), *(len(str(path)) for path in paths)))


def _heading(width: int) -> str:
    return f"{'image':{width}}  {'emotion':10} {'sure':>7}  then"


def _lines(path: Path, answer: Answer, width: int) -> Iterator[str]:
    name = str(path) if len(str(path)) <= width else "…" + str(path)[1 - width :]
    if answer.reason:
        yield f"{name:{width}}  {answer.reason}: {answer.message}"
    elif answer.faces is None:
        yield f"{name:{width}}  {_ranked(answer)}"
    elif not answer.faces:
        yield f"{name:{width}}  no face found"
    for face in answer.faces or ():
        left, top, right, bottom = face.box
        yield f"{name:{width}}  {_ranked(face.answer)}  at {left},{top} to {right},{bottom}"


def _ranked(answer: Answer) -> str:
    ranked = sorted((answer.probabilities or {}).items(), key=lambda item: -item[1])
    others = ", ".join(f"{label} {100 * value:.1f} %" for label, value in ranked[1:3])
    return f"{ranked[0][0]:10} {100 * ranked[0][1]:5.1f} %  {others}"
