# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The app's tab that reads: its endpoint, and in headless Chromium."""

import base64
import io
import re
import shutil
import tempfile

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import sync_playwright
from small_readers import TOKENIZER, make_reader

from hf_attention.interpret import Reading, launch_app, read, reading_to_html


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 24), dtype=np.uint8))


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers") / "reader"
    for part in (*make_reader("compact_vit"), TOKENIZER):
        part.save_pretrained(folder)
    server, url, _ = launch_app([str(folder)], images=[NOISE], prevent_thread_lock=True, quiet=True)
    yield url
    server.blocks.close()


def test_the_page_has_a_picture_for_each_token():
    maps = np.zeros((3, 2, 6))
    maps[0, 0, 0] = maps[1, 1, 5] = maps[2, 0, 2] = 1
    page = reading_to_html(Reading(Image.new("L", (24, 8), 128), "1<", ["1", "<", "</s>"], maps))
    assert page.count('tabindex="0"') == 3 and ">&lt;<" in page and "<</span>" not in page
    sources = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB") for source in sources]
    assert len(pictures) == 4 and {picture.size for picture in pictures} == {(480, 160)}
    assert pictures[0].getpixel((40, 40)) == pytest.approx((128, 128, 128), abs=4)
    assert min(pictures[1].getpixel((40, 40))) > 240  # the white dot, at the center of attention
    assert min(pictures[2].getpixel((440, 120))) > 240


def test_the_endpoint_reads_what_the_model_reads(app, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where `gradio_client` leaves folders
    NOISE.save(tmp_path / "image.png")
    client = Client(app, verbose=False)
    text, page = client.predict(handle_file(tmp_path / "image.png"), 2, api_name="/read")
    (expected,) = read(*make_reader("compact_vit"), TOKENIZER, [NOISE], num_beams=2)
    assert text == expected.text and page == reading_to_html(expected)
    with pytest.raises(Exception, match="Upload an image"):
        client.predict(None, 1, api_name="/read")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_token_shows_its_map_in_a_browser(app):
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=flags).new_page()
        page.goto(app)
        page.locator(".gallery-item:visible").first.click()
        page.get_by_role("button", name="Read", exact=True).click()
        page.locator(".reading .t0").wait_for()

        def shown():
            return [page.locator(f".reading .m{number}").is_visible() for number in (0, 1)]

        assert shown() == [False, False]
        page.locator(".reading .t0").hover()
        assert shown() == [True, False]
        page.locator(".reading .t1").click()
        page.mouse.move(0, 0)
        assert shown() == [False, True]  # it stays after a click
        page.locator(".reading .t0").hover()
        assert shown() == [True, False]
        page.set_viewport_size({"width": 360, "height": 740})  # of a phone
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
