"""Sign pushed images, and their bills of materials, with cosign (https://docs.sigstore.dev/cosign)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.images.engine import NoEngine


def require_cosign(key: str) -> None:
    """Refuse a key that nothing here can use, before anything is built.

    Raises:
        NoEngine: cosign is missing, or the key is.
    """
    if shutil.which("cosign") is None:
        raise NoEngine(
            "images can't be signed: cosign is not on the path; install it, or leave KEY= out"
        )
    # A key may also live in a key management service, as gcpkms://…
    if "://" not in key and not Path(key).is_file():
        raise NoEngine(
            f"images can't be signed: there is no key at {key}; make one with `cosign"
            " generate-key-pair`"
        )


def sign(pushed: Mapping[str, str], bills: Mapping[str, Path], key: str) -> None:
    """Sign each image by its digest and attest its bill.

    Args:
        pushed: component to ``registry/name:tag@sha256:…``. bills: component to the file of its
            bill.
        key: file or address of cosign's private key; COSIGN_PASSWORD opens it.

    Raises:
        CalledProcessError: cosign refused; its output says why.
    """
    for component, reference in pushed.items():
        subprocess.run(
            ["cosign", "sign", "--yes", "--key", key, reference],
            check=True,
            capture_output=True,
            text=True,
        )
        predicate = ["--type", "cyclonedx", "--predicate", str(bills[component])]
        subprocess.run(
            ["cosign", "attest", "--yes", "--key", key, *predicate, reference],
            check=True,
            capture_output=True,
            text=True,
        )
        print(f"signed {reference}", flush=True)
