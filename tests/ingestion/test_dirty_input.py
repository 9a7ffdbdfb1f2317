"""The dirty-input matrix: what is wrong with an object, and what becomes of it.

One bad image never ends a run.
"""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.ingestion import ingest as ingest_module
from components.ingestion.sources.storage import zip_archive as zip_archive
from components.ingestion.sources.storage.storage import ObjectUnreadable
from components.shared.images.decode import decode
from components.shared.serialization import to_json
from tests.ingestion.support import Bench, as_folder, as_zip, bench, class_folders, csv_row, face
from tests.shared.images.test_decode import bomb, encoded, gradient

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def frames(form: str) -> bytes:
    first, second = Image.new("L", (12, 12), 40), Image.new("L", (12, 12), 220)
    return encoded(
        first,
        form,
        save_all=True,
        append_images=[second],
        **({"lossless": True} if form == "WEBP" else {}),
    )


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.ascontiguousarray(np.rot90(gradient()))), "PNG", exif=exif)


def transparent() -> Image.Image:
    image = Image.new("RGBA", (8, 8), (10, 200, 30, 255))
    image.putpixel((0, 0), (10, 200, 30, 0))
    return image


def palette() -> Image.Image:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


SIXTEEN_BITS = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
FULL_JPEG = encoded(
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 32), dtype=np.uint8)), "JPEG"
)

# What it is: (file name, content, reason).
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "truncated JPEG": ("case.jpg", FULL_JPEG[: len(FULL_JPEG) // 2], "truncated"),
    "zero bytes": ("case.png", b"", "empty"),
    "text named .jpg": ("case.jpg", b"dear diary", "not-an-image"),
    "decompression bomb": ("case.png", bomb(30_000, 30_000), "too-many-pixels"),
    "archive in an archive": ("case.zip", b"PK\x05\x06" + bytes(18), "nested-archive"),
}

# What it is: (file name, content, the pixels or some of them, how far they may be off).
READ: dict[str, tuple[str, bytes, np.ndarray, int]] = {
    "PNG named .jpg": ("case.jpg", encoded(Image.fromarray(gradient()), "PNG"), gradient(), 0),
    "CMYK": (
        "case.jpg",
        encoded(Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK"), "JPEG", quality=95),
        np.full((16, 16, 3), (200, 60, 30), np.uint8),
        6,
    ),
    "palette": (
        "case.png",
        encoded(palette(), "PNG"),
        np.full((8, 8, 3), (10, 200, 30), np.uint8),
        0,
    ),
    "16-bit gray": (
        "case.png",
        encoded(Image.fromarray(SIXTEEN_BITS), "PNG"),
        (SIXTEEN_BITS >> 8).astype(np.uint8),
        0,
    ),
    "alpha": (
        "case.png",
        encoded(transparent(), "PNG"),
        np.array([[[255, 255, 255], [10, 200, 30]]], np.uint8),
        0,
    ),
    "animated GIF": ("case.gif", frames("GIF"), np.full((12, 12, 1), 40, np.uint8), 1),
    "animated WEBP": ("case.webp", frames("WEBP"), np.full((12, 12, 3), 40, np.uint8), 1),
    "EXIF-rotated": ("case.png", turned(), gradient(), 0),
    "1x1": ("case.png", encoded(Image.new("L", (1, 1), 7), "PNG"), np.full((1, 1), 7, np.uint8), 0),
    "unicode name": (
        "笑顔 – 😀 e\u0301.png",
        face("happy", 70),
        decode(face("happy", 70)).pixels,
        0,
    ),
    "255-byte name": (f"{'n' * 251}.png", face("happy", 71), decode(face("happy", 71)).pixels, 0),
}


@pytest.fixture(scope="module", params=["folder", "zip"])
def night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One run over all of them, in a folder and in a zip."""
    night = bench(tmp_path_factory.mktemp("dirty"))
    files = class_folders()
    for what, (name, content, *_) in {**REFUSED, **READ}.items():
        files[f"train/happy/{what}/{name}"] = content
    source = (
        as_folder(night.root / "faces", files)
        if request.param == "folder"
        else as_zip(night.root / "faces.zip", files)
    )
    assert night.ingest(source) == 0
    return night


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_rejected_with_its_reason(night: Bench, what: str) -> None:
    name, _, reason = REFUSED[what]
    assert night.rejected()[f"train/happy/{what}/{name}"] == reason
    assert len(night.rejected()) == len(REFUSED)


@pytest.mark.parametrize("what", READ)
def test_what_can_be_read_is_read_correctly(night: Bench, what: str) -> None:
    name, content, expected, tolerance = READ[what]
    row = next(row for row in night.rows() if row["source_uri"] == f"train/happy/{what}/{name}")
    assert row["image"] == content
    pixels = decode(row["image"]).pixels.astype(int)
    assert (row["height"], row["width"]) == pixels.shape[:2]
    assert np.abs(pixels[: expected.shape[0], : expected.shape[1]] - expected).max() <= tolerance


def test_a_decompression_bomb_costs_no_memory() -> None:
    program = (
        "import resource, sys; from components.shared.images.decode import ImageRefused, decode;"
        " content = sys.stdin.buffer.read()\nbefore ="
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\ntry: decode(content)\nexcept"
        " ImageRefused as error: print(error.reason,"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    gif = (
        b"GIF89a"
        + (30_000).to_bytes(2, "little") * 2
        + b"\x80\x00\x00"
        + bytes(6)
        + b"\x2c"
        + bytes(4)
    )
    gif += (30_000).to_bytes(2, "little") * 2 + b"\x00\x02\x02\x44\x01\x00\x3b"
    for content in (bomb(30_000, 30_000), gif):
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=content,
            capture_output=True,
            cwd=ROOT,
            check=True,
        )
        reason, kilobytes = done.stdout.split()
        assert reason == b"too-many-pixels"
        assert int(kilobytes) < 50_000  # its pixels would take 900 MB


def test_links_pipes_and_broken_links_of_a_folder(tmp_path: Path) -> None:
    night = bench(tmp_path)
    (tmp_path / "secret.png").write_bytes(face("happy", 60))
    folder = as_folder(tmp_path / "faces", class_folders())
    (folder / "train/happy/out.png").symlink_to(tmp_path / "secret.png")
    (folder / "train/happy/up.png").symlink_to("../../../secret.png")
    (folder / "train/happy/broken.png").symlink_to("nowhere.png")
    (folder / "train/happy/inside.png").symlink_to("0.png")
    os.mkfifo(folder / "train/happy/pipe.png")
    assert night.ingest(folder) == 0
    assert night.rejected() == {
        "train/happy/broken.png": "broken-link",
        "train/happy/out.png": "link-outside",
        "train/happy/pipe.png": "not-a-file",
        "train/happy/up.png": "link-outside",
    }
    assert "train/happy/inside.png" in {row["source_uri"] for row in night.rows()}


def test_paths_and_links_of_a_zip(tmp_path: Path) -> None:
    night = bench(tmp_path)
    link = zipfile.ZipInfo("train/happy/link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name, content in {
            **class_folders(),
            "../up/happy/1.png": b"x",
            "/abs/happy/1.png": b"x",
            "C:\\happy\\1.png": b"x",
        }.items():
            archive.writestr(name, content)
        archive.writestr(link, "/etc/passwd")
    assert night.ingest(tmp_path / "faces.zip") == 0
    assert night.rejected() == {
        "../up/happy/1.png": "unsafe-path",
        "/abs/happy/1.png": "unsafe-path",
        "C:\\happy\\1.png": "unsafe-path",
        "train/happy/link.png": "link",
    }
    assert not (tmp_path / "up").exists()


def test_paths_links_and_devices_of_a_tar(tmp_path: Path) -> None:
    night = bench(tmp_path)
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for name, content in {
            **class_folders(),
            "../up/happy/1.png": b"x",
            "/abs/happy/1.png": b"x",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, kind in (
            ("soft", tarfile.SYMTYPE),
            ("hard", tarfile.LNKTYPE),
            ("char", tarfile.CHRTYPE),
            ("fifo", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(f"train/happy/{name}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert night.ingest(tmp_path / "faces.tar") == 0
    assert night.rejected() == {
        "../up/happy/1.png": "unsafe-path",
        "/abs/happy/1.png": "unsafe-path",
        "train/happy/soft.png": "link",
        "train/happy/hard.png": "link",
        "train/happy/char.png": "device",
        "train/happy/fifo.png": "device",
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_unpacked_piece_by_piece_and_never_further_than_stated(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_archive, "_MOST", 1 << 16)
    content = np.random.default_rng(1).bytes(1_500_000) + bytes(3_000_000)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", method) as target:
        target.writestr("first", content)
        target.writestr("second", b"2")
    place = zip_archive.Archive(tmp_path / "faces.zip")
    entry, second = place.entries()
    assert place.read(entry) == content
    assert (place.head(entry, 10), place.read(second)) == (content[:10], b"2")
    assert max(map(len, place._unpacked(entry))) <= 1 << 16
    less = entry._replace(size=100_000)
    assert b"".join(place._unpacked(less)) == content[:100_000]
    for other in (
        less,
        entry._replace(size=len(content) + 1),
        entry._replace(checksum="crc:00000000"),
    ):
        with pytest.raises(ObjectUnreadable):
            place.read(other)
    damaged = bytearray((tmp_path / "faces.zip").read_bytes())
    damaged[700_000] ^= 255
    (tmp_path / "faces.zip").write_bytes(damaged)
    with pytest.raises(ObjectUnreadable):
        zip_archive.Archive(tmp_path / "faces.zip").read(entry)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_pictures_are_read_however_a_zip_packs_them(tmp_path: Path, method: int) -> None:
    night = bench(tmp_path)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", method) as target:
        for name, content in class_folders().items():
            target.writestr(name, content)
    assert night.ingest(tmp_path / "faces.zip") == 0
    assert (len(night.rows()), night.rejected()) == (16, {})


def test_a_zip_bomb_is_never_unpacked(tmp_path: Path) -> None:
    night = bench(tmp_path)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in class_folders().items():
            archive.writestr(name, content)
        with archive.open("train/happy/bomb.png", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert night.ingest(tmp_path / "faces.zip") == 0
    assert night.rejected() == {"train/happy/bomb.png": "too-large"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may walk into, as pytest's own aren't."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # nobody else may enter pytest's own
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_file_that_cannot_be_read(open_folder: Path) -> None:
    """The whole step as a user who isn't the owner.

    The tests themselves may run as root, who may read anything.
    """
    night = bench(open_folder / "night")
    night.root.mkdir()
    folder = as_folder(open_folder / "faces", class_folders())
    (folder / "train/happy/locked.png").write_bytes(face("happy", 61))
    (folder / "train/happy/locked.png").chmod(0)
    (open_folder / "preset.json").write_text(to_json(night.preset))
    if os.getuid() == 0:
        os.chown(night.root, NOBODY, NOBODY)
    # A first night loads what the second one needs: that user may not even read the interpreter's
    # own library.
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom components.shared.serialization import"
        " from_json\nfrom components.shared.preset import Preset\nfrom tests.ingestion.support"
        " import Bench, as_folder, class_folders\nroot, preset, source = map(Path,"
        " sys.argv[1:])\npreset = from_json(Preset, preset.read_bytes())\nassert"
        " Bench(source.parent / 'first', preset).ingest(as_folder(source.parent / 'others',"
        f" class_folders())) == 0\nif os.getuid() == 0: os.setgid({NOBODY});"
        f" os.setuid({NOBODY})\nsys.exit(Bench(root, preset).ingest(source))"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / '.venvs' / 'test'}",
        "TMPDIR": str(night.root),
    }
    command = [
        sys.executable,
        "-c",
        program,
        str(night.root),
        str(open_folder / "preset.json"),
        str(folder),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert night.rejected() == {"train/happy/locked.png": "unreadable"}
    assert night.findings()["accepted"] == 16


def test_a_file_that_vanishes_during_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = bench(tmp_path)
    folder = as_folder(tmp_path / "faces", class_folders())
    run_flow = ingest_module.run_flow

    def removed_first(*arguments: object, **options: object) -> object:
        (folder / "train/happy/1.png").unlink()
        return run_flow(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "run_flow", removed_first)
    assert night.ingest(folder) == 0
    assert night.rejected() == {"train/happy/1.png": "vanished"}


CSV_ROWS = {
    "wrong pixel count": (csv_row(3, 1, side=15), "wrong-pixel-count"),
    "emotion 9": (csv_row(9, 1), "emotion-out-of-range"),
    "missing column": ("3,1 2 3", "wrong-columns"),
    "emotion no number": (csv_row("x", 1), "not-a-number"),
    "pixels no numbers": (f"3,{' '.join(['a'] * 256)},Training", "not-a-number"),
}


def test_bad_rows_of_a_csv(tmp_path: Path) -> None:
    night = bench(tmp_path)
    good = [csv_row(index % 2 + 3, index) for index in range(20)]
    (tmp_path / "fer.csv").write_text(
        "\n".join(["emotion,pixels,Usage", *good, *(row for row, _ in CSV_ROWS.values())])
    )
    assert night.ingest(tmp_path / "fer.csv") == 0
    assert list(night.rejected().values()) == [reason for _, reason in CSV_ROWS.values()]
    assert night.findings()["accepted"] == 20
