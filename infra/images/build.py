"""Build and push the components' images.

A tag is a digest of all that the image holds, so what stands isn't built again.

python3 -m infra.images.build                     build every image that is missing
python3 -m infra.images.build serving --base IMG  one of them, on a base of your own
python3 -m infra.images.build --gpu               training's image with CUDA's libraries
python3 -m infra.images.build --push REGISTRY     build, push, and note the digests in build/images.json

Beside it each image's bill of materials is written into build/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from components.shared.artifacts.contract import write_atomically
from components.shared.serialization import to_pretty_json
from infra.environments import lock_of
from infra.images.base import base_image
from infra.images.engine import Engine, NoEngine, start
from infra.images.sbom import write_bill
from infra.images.secrets import build_secrets
from infra.images.signing import require_cosign, sign
from pipelines.code_version import COMPONENTS, ROOT, git_commit, image_references
from pipelines.presets import PRESETS

PRESETS_FOLDER = ROOT / "build" / "presets"
RECORD = ROOT / "build" / "images.json"


def build(
    engine: Engine, components: tuple[str, ...], base: str, *, gpu: bool = False
) -> dict[str, str]:
    """Build what is missing. Returns component to image reference.

    Args:
        gpu: training's image is the variant for NVIDIA GPUs, named gpu/emotion-training with the
            tag of the plain one.

    Raises:
        CalledProcessError: a build failed; its output holds why.
    """
    references = image_references("localhost", gpu=gpu)
    write_presets(PRESETS_FOLDER)
    built = {component: references[f"emotion-{component}"] for component in components}
    with build_secrets() as secrets:
        for number, (component, reference) in enumerate(built.items(), 1):
            if engine.run("images", "--quiet", reference):
                continue
            print(f"[{number}/{len(built)}] {reference} …", end="", flush=True)
            began = time.monotonic()
            engine.run(
                "build",
                "--network",
                "host",
                *secrets,
                *_arguments(component, base, gpu),
                "--tag",
                reference,
                ROOT,
            )
            print(f" {time.monotonic() - began:.0f} s", flush=True)
    return built


def write_presets(folder: Path) -> None:
    """Write every shipped preset as JSON.

    The image of resolve holds them, so that a run may name one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.json"):
        if stale.stem not in PRESETS:
            stale.unlink()
    for name, preset in PRESETS.items():
        write_atomically(folder / f"{name}.json", to_pretty_json(preset).encode())


def push(engine: Engine, built: dict[str, str], registry: str) -> dict[str, str]:
    """Push images and return component to reference by the digest that the registry gave."""
    pushed = {}
    for component, local in built.items():
        remote = f"{registry.rstrip('/')}/{local.removeprefix('localhost/')}"
        engine.run("tag", local, remote)
        digest = re.search(r"sha256:[0-9a-f]{64}", engine.run("push", remote))
        if digest is None:
            raise NoEngine(f"{registry} took {remote} but gave no digest")
        pushed[component] = (  # a cluster goes by the digest; the tag says which content it is of
            f"{remote}@{digest[0]}"
        )
        print(pushed[component], flush=True)
    return pushed


def source_address(root: Path = ROOT) -> str:
    """Where the code comes from.

    The https:// address of the checkout's origin, without credentials; empty where it has none.
    """
    done = subprocess.run(
        ["git", "remote", "get-url", "origin"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    address = urlsplit(done.stdout.strip())
    if address.scheme != "https" or address.hostname is None:
        return ""
    return f"https://{address.hostname}{address.path.removesuffix('.git')}"


def _arguments(component: str, base: str, gpu: bool) -> list[str | Path]:
    lock = lock_of("gpu" if gpu and component == "training" else component)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    values = {
        "BASE_IMAGE": base,
        "LOCK": lock.name,
        "SOURCE": source_address(),
        "REVISION": git_commit(),
        "LOCK_DIGEST": digest,
    }
    arguments: list[str | Path] = ["--file", ROOT / "components" / component / "Containerfile"]
    for name, value in values.items():
        arguments += ["--build-arg", f"{name}={value}"]
    return arguments


def main() -> int:
    """Build, push or sign what the command line names; an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "components", nargs="*", help=f"some of {', '.join(COMPONENTS)}; all by default"
    )
    parser.add_argument(
        "--base", default="", help="base image with Python 3.13; found by itself otherwise"
    )
    parser.add_argument("--gpu", action="store_true", help="training's image with CUDA's libraries")
    parser.add_argument("--push", metavar="REGISTRY", default="", help="push there")
    parser.add_argument(
        "--sign", metavar="KEY", default="", help="with --push: sign what was pushed, with cosign"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.components) - set(COMPONENTS)
    if unknown:
        parser.error(
            f"no component {', '.join(sorted(unknown))}; expected some of {', '.join(COMPONENTS)}"
        )
    try:
        if arguments.sign:
            require_cosign(arguments.sign)
        engine = start()
        built = build(
            engine,
            tuple(arguments.components) or COMPONENTS,
            arguments.base or base_image(engine),
            gpu=arguments.gpu,
        )
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            bills = dict(
                zip(
                    built,
                    pool.map(
                        lambda reference: write_bill(engine, reference, RECORD.parent),
                        built.values(),
                    ),
                    strict=True,
                )
            )
        if arguments.push:
            pushed = push(engine, built, arguments.push)
            if arguments.sign:
                sign(pushed, bills, arguments.sign)
            known = (
                json.loads(RECORD.read_bytes()) if RECORD.exists() else {}
            )  # of components that weren't asked for now
            write_atomically(RECORD, (json.dumps(known | pushed, indent=2) + "\n").encode())
    except NoEngine as error:
        print(f"images: {error}", file=sys.stderr)
        return 5
    except subprocess.CalledProcessError as error:
        print(
            f"\n{error.stdout or ''}{error.stderr or ''}\nimages:"
            f" `{' '.join(map(str, error.cmd[:3]))} …` failed",
            file=sys.stderr,
        )
        return 1
    for component, reference in built.items():
        size = int(engine.run("image", "inspect", "--format", "{{.Size}}", reference))
        print(f"{component:12} {size / 1e6:8,.0f} MB  {reference}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
