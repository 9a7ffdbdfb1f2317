"""What this machine needs to reach its package sources, for a build's RUN steps alone.

No layer ever holds it.
"""

from __future__ import annotations

import configparser
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
PIP_FILES = ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
# Settings of pip and their counterparts of uv.
INDEX_SETTINGS = {
    "index-url": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
    "extra-index-url": ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
}
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@contextmanager
def build_secrets() -> Iterator[list[str]]:
    """``--secret`` arguments of docker build.

    Ca, index and apt, each where the machine has such a setting.
    """
    with TemporaryDirectory(prefix="emotion-build-") as folder:
        arguments: list[str] = []
        for name, path in _files(Path(folder), os.environ).items():
            arguments += ["--secret", f"id={name},src={path}"]
        yield arguments


def index_lines(environment: Mapping[str, str], pip_files: tuple[str, ...] = PIP_FILES) -> str:
    """Shell lines that export the machine's package index and proxies.

    Empty where it has none of its own.
    """
    found = {name: environment[name] for name in PROXIES if environment.get(name)}
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(Path(name).expanduser() for name in pip_files)
    for setting, (pip_name, uv_name) in INDEX_SETTINGS.items():
        value = environment.get(pip_name) or parser.get("global", setting, fallback="")
        if value:
            found |= {pip_name: value, uv_name: environment.get(uv_name, value)}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in found.items())


def _files(folder: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    bundle = next(
        (environment[name] for name in BUNDLES if os.path.isfile(environment.get(name, ""))), ""
    )
    if bundle:
        files["ca"] = Path(bundle)
    lines = index_lines(environment)
    if lines:
        files["index"] = folder / "index"
        files["index"].write_text(lines)
    mirror = debian_mirror()
    if mirror:
        files["apt"] = folder / "apt"
        files["apt"].write_text(f"deb {mirror} trixie main\n")
    return files


def debian_mirror(sources: Path = Path("/etc/apt")) -> str:
    """Where this Debian machine gets Debian from; empty on another system."""
    for path in (sources / "sources.list", *sorted(sources.glob("sources.list.d/*"))):
        for line in path.read_text().splitlines() if path.is_file() else ():
            words = line.split()
            addresses = words[1:] if words[:1] in (["URIs:"], ["deb"]) else []
            for address in addresses:
                if address.startswith(("http", "mirror+")) and address.rstrip("/").endswith(
                    "/debian"
                ):
                    return address
    return ""
