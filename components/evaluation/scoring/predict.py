"""What several models answer for the same images, each decoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from components.shared.errors import ContractError
from components.shared.images.decode import ImageRefused, Pixels, read_input
from components.shared.inference.model import Probabilities, ServedModel
from components.shared.preset import ImageSpec


def answers(
    models: Mapping[str, ServedModel],
    batches: Iterable[list[bytes]],
    spec: ImageSpec,
    progressed: Callable[[int], None],
) -> dict[str, Probabilities]:
    """Probabilities ``[n, labels]`` of each model, in the order of the images.

    Args:
        models: by version; all take ``spec``. batches: encoded images.
        progressed: called with the number of images answered so far.

    Raises:
        ContractError: an image can't be decoded, or a model's answer isn't a distribution.
    """
    found: dict[str, list[Probabilities]] = {version: [] for version in models}
    done = 0
    for batch in batches:
        pixels = np.stack(
            [_pixels(content, spec, done + index) for index, content in enumerate(batch)]
        )
        for version, model in models.items():
            found[version].append(model.predict(pixels))
        done += len(batch)
        progressed(done)
    joined = {version: np.concatenate(parts) for version, parts in found.items()}
    for version, probabilities in joined.items():
        _check(version, probabilities)
    return joined


def _pixels(content: bytes, spec: ImageSpec, row: int) -> Pixels:
    try:
        return read_input(content, spec)
    except ImageRefused as error:
        raise ContractError(
            f"the image of row {row + 1} can't be decoded ({error})",
            expected="images that ingestion accepted",
            fix="run ingest again; the examples artifact is damaged",
        ) from error


def _check(version: str, probabilities: Probabilities) -> None:
    # NaN fails both comparisons.
    good = (probabilities >= 0).all(axis=1) & (
        np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 1e-3
    )
    if not good.all():
        raise ContractError(
            f"model {version} doesn't answer with probabilities",
            expected="finite numbers of at least 0 that sum to 1 in each row",
            received=f"something else for {int((~good).sum()):,} of {len(good):,} rows",
            fix="train again, with a lower learning rate if the loss diverged",
        )
