"""The page for people, in a real browser: a dropped photo, a bad file, the camera."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from components.serving.predictor.process import HOST, Server
from components.shared.images.decode import encode_png
from tests.models import LABELS
from tests.serving.browser import Tab, tab
from tests.serving.drawing import photo

pytestmark = pytest.mark.slow

DROP = """(async () => {
  while (!document.getElementById("model")?.textContent.startsWith("faces")) await new Promise((done) => setTimeout(done, 50));
  const bytes = Uint8Array.from(atob("%s"), (each) => each.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], "photo", { type: "%s" }));
  const told = document.getElementById("told");
  told.textContent = "…";
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
  while (["…", "Asking …"].includes(told.textContent)) await new Promise((done) => setTimeout(done, 50));
  const headings = [...document.querySelectorAll("h2")].map((each) => each.textContent);
  return [told.textContent, headings, document.querySelectorAll("meter").length];
})()"""


def drop(page: Tab, content: bytes, kind: str) -> list[object]:
    found: list[object] = page.run(DROP % (base64.b64encode(content).decode(), kind))
    return found


def test_a_dropped_photo_is_answered_face_by_face(photos: Server, tmp_path: Path) -> None:
    address = f"http://{HOST}:{photos.port}/"
    with tab(tmp_path, address) as page:
        told, headings, bars = drop(
            page, encode_png(photo(640, 400, (20, 50, 180), (400, 150, 180))), "image/png"
        )
        assert told == "2 faces."
        assert [heading.split(": ")[0] for heading in headings] == ["Face 1", "Face 2"]  # type: ignore[attr-defined]
        assert bars == 2 * len(LABELS)
        size = page.run(
            "[document.getElementById('picture').width, document.getElementById('picture').height]"
        )
        assert size == [640, 400]
        assert drop(page, encode_png(photo()), "image/png")[:2] == ["No face was found.", []]
        assert (
            drop(page, b"no picture", "image/png")[0]
            == "This file is no picture that the browser can show."
        )
        assert page.console == []
        assert {
            url for url in page.requests if not url.startswith((address, "data:", "blob:"))
        } == set()


def test_the_camera_is_answered_until_it_is_stopped(photos: Server, tmp_path: Path) -> None:
    with tab(tmp_path, f"http://{HOST}:{photos.port}/") as page:
        drop(page, encode_png(photo()), "image/png")  # the page is ready
        found = page.run("""(async () => {
              const [button, told] = [document.getElementById("camera"), document.getElementById("told")];
              told.textContent = "";
              button.click();
              while (!told.textContent) await new Promise((done) => setTimeout(done, 50));
              const while_on = button.textContent;
              button.click();
              return [told.textContent, while_on, button.textContent];
            })()""")
        assert found == ["No face was found.", "Stop the camera", "Use the camera"]
        assert page.console == []
