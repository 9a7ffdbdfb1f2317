"""Pretrained weights: an input with an address and a checksum."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from components.shared.artifacts.contract import sha256_of_file
from components.shared.errors import ContractError, EnvironmentProblem, InputError
from components.shared.preset import PretrainedWeights
from components.shared.store.interface import open_store
from components.shared.text import shortened
from components.training.models.backbones import BACKBONES, backbone_of

IMAGENET = "imagenet"


def load_pretrained(
    network: keras.Model, weights: PretrainedWeights, scratch: Path, *, load: bool = True
) -> str:
    """Load the weights into the network's backbone; returns their SHA-256.

    Args:
        scratch: for what is downloaded.
        load: False fetches and checks nothing: a checkpoint holds the weights already. The known
            checksum is returned.

    Raises:
        InputError: the architecture has no backbone, or there is no file at the address.
        ContractError: another checksum, or weights of another network.
        EnvironmentProblem: Keras's own download doesn't come through.
    """
    backbone = backbone_of(network)
    if backbone is None:
        raise InputError(
            f"the architecture {network.name} has no backbone for pretrained weights",
            fix="leave training.pretrained out",
        )
    if not load:
        return weights.sha256
    file = (
        _downloaded(network.name, scratch)
        if weights.uri == IMAGENET
        else _fetched(weights.uri, scratch)
    )
    found = sha256_of_file(file)
    if weights.sha256 and found != weights.sha256:
        raise ContractError(
            f"the pretrained weights {weights.uri} aren't those of the preset",
            expected=weights.sha256,
            received=found,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of what it then refuses
            backbone.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise ContractError(
            f"the pretrained weights {weights.uri} don't fit {network.name}"
            f" ({shortened(error, 200)})",
            expected="a file in Keras's weight layout, without its top",
        ) from error
    return found


def _fetched(uri: str, scratch: Path) -> Path:
    """Return a local file with the content at ``uri``.

    With the ending that tells Keras its layout.
    """
    if "://" not in uri:
        path = Path(uri).expanduser()
        if not path.is_file():
            raise InputError(
                f"there are no pretrained weights at {uri}",
                expected="a file in Keras's weight layout",
            )
        return path
    root, name = uri.rsplit("/", 1)
    content = open_store(root).read(name)
    if content is None:
        raise InputError(
            f"there are no pretrained weights at {uri}", expected="a file in Keras's weight layout"
        )
    path = scratch / name
    path.write_bytes(content)
    return path


def _downloaded(architecture: str, keras_home: Path) -> Path:
    """ImageNet weights by Keras's own download into its home, which is the step's scratch folder.

    Keras checks them its own way.
    """
    make, _ = BACKBONES[architecture]
    try:
        make(include_top=False, weights=IMAGENET)
    except Exception as error:
        raise EnvironmentProblem(
            f"Keras can't download the ImageNet weights of {architecture}"
            f" ({shortened(error, 200)})",
            fix=(
                "allow the download, or set training.pretrained to a file (a path, gs:// or s3://)"
                " with its sha256"
            ),
        ) from error
    (file,) = (keras_home / "models").iterdir()
    return file
