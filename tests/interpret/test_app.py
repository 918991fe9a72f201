# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The app through its HTTP endpoints, and in headless Chromium without network but loopback."""

import shutil
import tempfile

import httpx
import numpy as np
import pytest
from gradio import SelectData
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import sync_playwright
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from hf_attention.faithfulness import LeadingMap
from hf_attention.interpret import align, build_app, launch_app, overlay, position_map
from hf_attention.interpret.classifier_maps import SCALE


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


# texts that are shown with a contrast below 4.5 : 1 (WCAG 2.1), as [text, color, background, contrast]
LOW_CONTRASTS = """() => {
    const parse = color => (color.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(value => value / 255)
        .map(share => share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4)
        .reduce((sum, share, index) => sum + share * [0.2126, 0.7152, 0.0722][index], 0);
    const low = [];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].map(node => node.nodeType === 3 ? node.data.trim() : "").join("");
        if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        let behind = element;
        while (behind && parse(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
        const colors = [getComputedStyle(element).color, getComputedStyle(behind || document.body).backgroundColor];
        const [first, second] = colors.map(color => light(parse(color))).sort((one, other) => other - one);
        const contrast = (first + 0.05) / (second + 0.05);
        if (contrast < 4.5) low.push([text, ...colors, contrast]);
    }
    return low;
}"""


@pytest.fixture(scope="module")
def app(small_run, small_vision_run):
    images = [Image.effect_noise((64, 64), 60)]
    models = [str(small_run[0]), str(small_vision_run[0])]
    server, url, _ = launch_app(models, ["4. März 2005"], images, prevent_thread_lock=True, quiet=True)
    yield url
    server.blocks.close()


@pytest.fixture(autouse=True)
def downloads(tmp_path, monkeypatch):
    """`gradio_client` downloads by way of new folders next to all temporary files, and leaves them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_http_endpoints(app, small_run, small_vision_run, tmp_path):
    client = Client(app, verbose=False)
    translation, page = client.predict("4. März 2005", 3, api_name="/translate")
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(small_run[0]), AutoTokenizer.from_pretrained(small_run[0])
    expected = align(model, tokenizer, ["4. März 2005"], num_beams=3)[0]
    assert translation == expected.target
    assert page.count("<td ") == expected.weights.size
    Image.effect_noise((8, 8), 60).save(tmp_path / "digit.png")
    scores, *pictures = client.predict(handle_file(tmp_path / "digit.png"), "layer 1", "head 1", api_name="/classify")
    names = AutoModelForImageClassification.from_pretrained(small_vision_run[0]).config.id2label.values()
    assert scores["label"] in names
    assert len(scores["confidences"]) == 5
    assert all(Image.open(picture).size == (224, 224) for picture in pictures[:3])
    with pytest.raises(Exception, match="Enter a text"):
        client.predict(" ", 1, api_name="/translate")
    with pytest.raises(Exception, match="Upload an image"):
        client.predict(None, "layer 1", "head 1", api_name="/classify")


def test_equal_pictures_are_different_files(app, tmp_path):
    """gradio writes equal pictures to the same file, also while another user downloads it."""
    Image.effect_noise((8, 8), 60).save(tmp_path / "digit.png")
    client = Client(app, verbose=False, download_files=False)
    shown = []
    for _ in range(2):
        upload = handle_file(tmp_path / "digit.png")
        shown += client.predict(upload, "layer 1", "head 1", api_name="/classify")[1:4]
    assert len({picture["path"] for picture in shown}) == 6


@pytest.mark.parametrize("meta", [{}, {"meta": {}}, {"meta": {"_type": "gradio.FileData"}}], ids=repr)
def test_a_request_that_names_a_file_of_the_server_is_refused(app, tmp_path, meta):
    Image.effect_noise((8, 8), 60).save(tmp_path / "secret.png")
    for path in (f"{tmp_path}/secret.png", "/etc/passwd", f"http:/..{tmp_path}/secret.png", app):
        data = [{"path": path, **meta}, "layer 1", "head 1"]
        event = httpx.post(f"{app}gradio_api/call/classify", json={"data": data}).json()["event_id"]
        answer = httpx.get(f"{app}gradio_api/call/classify/{event}", timeout=60).text
        assert "event: error" in answer
        assert "event: complete" not in answer
        assert meta or "not an upload" in answer
        assert httpx.get(f"{app}gradio_api/file={path}").status_code in (403, 404)


def test_endpoints_of_models_with_the_same_task(small_run, tmp_path):
    names = [str(shutil.copytree(small_run[0], tmp_path / name)) for name in ("one.v1", "two")]
    for order in (names, names[::-1]):
        api_names = [
            function.api_name for function in build_app(order).fns.values() if function.api_visibility == "public"
        ]
        assert sorted(api_names) == ["translate_one.v1", "translate_two"]


def test_models_with_one_layer_or_without_attention(tmp_path):
    """One layer, no attention at all, and images of every mode."""
    vit = ViTConfig(image_size=8, patch_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=2)
    models = {"vit": ViTForImageClassification(vit), "resnet": ResNetForImageClassification(resnet)}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
        ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(tmp_path / name)
        app = build_app([str(tmp_path / name)])
        classify = next(function.fn for function in app.fns.values() if function.api_name == "classify")
        for mode in ("RGB", "RGBA", "L", "P", "LA", "CMYK"):
            scores, *maps, gradients, _, _ = classify(Image.new(mode, (20, 10)), "layer 1", "head 1")
            assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
            assert [picture is not None for picture in maps] == ([True, True, False] if name == "vit" else [False] * 3)
            assert Image.open(gradients).size == (460, 230)


@pytest.mark.parametrize("name", [None, "attention rollout", "token evidence"])
def test_the_map_that_was_measured_as_best_comes_first(name, small_vision_run):
    leading = LeadingMap(name, "It is the best.")
    app = build_app([str(small_vision_run[0])], choose=lambda _: leading)
    assert any(getattr(block, "value", None) == leading.reason for block in app.blocks.values())
    pictures = [block for block in app.blocks.values() if type(block).__name__ == "Image" and block.height == 260]
    rows = {id(block.parent): block.parent for block in pictures}
    first = next(block for block in next(iter(rows.values())).children if block.visible)
    labels = {None: "For (red), against (blue)", "attention rollout": "Attention rollout"}
    assert first.label == labels.get(name, "Token evidence")
    classify = next(function.fn for function in app.fns.values() if function.api_name == "classify")
    *_, picture, attention = classify(Image.effect_noise((8, 8), 60), "layer 1", "head 1")
    assert (picture is not None) == (name == "token evidence")
    assert picture is None or Image.open(picture).size == (224, 224)


@pytest.mark.parametrize("name", [None, "attention", "attention x gradient"])
def test_the_alignment_that_was_measured_as_best_comes_first(name, small_run):
    app = build_app([str(small_run[0])], choose=lambda _: LeadingMap(name, "It is the best."))
    translate = next(function.fn for function in app.fns.values() if function.api_name == "translate")
    _, page = translate("4. März 2005", 1)
    assert page.count('<div class="alignment') == (2 if name == "attention x gradient" else 1)
    assert page.startswith("<p>attention x gradient:</p>") == (name == "attention x gradient")


def test_the_attention_of_a_position(small_vision_run):
    app = build_app([str(small_vision_run[0])])
    functions = {getattr(function.fn, "__name__", ""): function.fn for function in app.fns.values()}
    attention = functions["classify"](Image.effect_noise((8, 8), 60), "layer 1", "head 1")[-1]
    rows, columns = attention.grid
    clicked = SelectData(None, {"index": [223, 0], "value": None})  # the upper right corner of 224 x 224 pixels
    assert functions["find_position"](attention, clicked) == (1, columns)
    shown = Image.open(functions["show_position"](attention, "layer 1", 1, columns)).convert("RGB")
    values = position_map(attention, (7, 0), layer=0) * attention.num_tokens
    expected = overlay(attention, values, scale=SCALE)
    middle = (96, 96, 128, 128)  # a mean, since WebP is lossy
    actual, expected = (np.asarray(picture.crop(middle), float).mean(axis=(0, 1)) for picture in (shown, expected))
    np.testing.assert_allclose(actual, expected, atol=8)
    edge = round(attention.grid_box[2] * shown.width)  # of the grid, left of that of the image
    assert shown.getpixel((edge - 2, 2))[2] > 150  # the frame around the position is cyan
    assert functions["show_position"](None, "layer 1", 1, 1) is None


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_in_a_browser(app, tmp_path):
    requests = []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=flags).new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.goto(app)
        page.get_by_role("button", name="Translate", exact=True).click()
        token = page.locator(".alignment .t0")
        token.wait_for()
        color = "getComputedStyle(document.querySelector('.alignment .s{}')).backgroundColor"
        best = max(
            range(5), key=lambda column: float(page.locator(".alignment td").nth(column).get_attribute("title"))
        )
        unfocused = page.evaluate(color.format(best))
        token.hover()
        assert page.evaluate(color.format(best)) != unfocused == "rgba(0, 0, 0, 0)"
        page.mouse.move(0, 0)
        assert page.evaluate(color.format(best)) == unfocused
        token.focus()  # with the keyboard
        assert page.evaluate(color.format(best)) != unfocused
        page.locator(f".alignment .s{best}").click()  # and in the other direction
        page.mouse.move(0, 0)
        target = "getComputedStyle(document.querySelector('.alignment .t0')).backgroundColor"
        assert page.evaluate(target) != "rgba(0, 0, 0, 0)"

        page.get_by_role("tab", name="Compare translations").click()
        page.get_by_label("Second source").fill("5. März 2006")
        page.get_by_role("button", name="Compare", exact=True).click()
        page.wait_for_function("document.querySelectorAll('.alignment').length == 3")

        page.get_by_role("tab", name="Classify").click()
        page.locator(".gallery-item:visible").first.click()
        page.get_by_role("button", name="Classify", exact=True).click()
        page.wait_for_function("document.querySelectorAll('.image-container img, .image-frame img').length >= 6")
        pictures = "[...document.querySelectorAll('.image-container img, .image-frame img')].map(image => image.src)"
        before = page.evaluate(pictures)
        page.get_by_label("Head", exact=True).click()
        page.get_by_role("option", name="head 2").click()
        page.wait_for_function(f"JSON.stringify({pictures}) != JSON.stringify({before})")
        after = page.evaluate(pictures)
        assert [old == new for old, new in zip(before, after)] == [True, True, True, True, False, True]
        alternatives = (
            "[...document.querySelectorAll('.image-container img, .image-frame img')].map(image => image.alt)"
        )
        assert all(page.evaluate(alternatives))

        page.get_by_alt_text("Attention rollout through all layers").first.click(position={"x": 5, "y": 200})
        page.wait_for_function(f"{pictures}[5] != {after}[5]")
        assert page.get_by_label("Column of the position", exact=True).first.input_value() == "1"
        by_mouse = page.evaluate(pictures)[5]
        page.get_by_label("Row of the position", exact=True).first.fill("2")  # with the keyboard
        page.keyboard.press("Tab")
        page.wait_for_function(f"{pictures}[5] != '{by_mouse}'")

        page.get_by_role("tab", name="Compare images").click()
        page.locator(".gallery-item:visible").first.click()
        page.get_by_role("button", name="Compare", exact=True).locator("visible=true").click()
        page.wait_for_function("document.querySelectorAll('figure img[alt]').length == 4")
        assert page.evaluate(LOW_CONTRASTS) == []

        for scheme in ("light", "dark"):
            page.goto(f"{app}?__theme={scheme}")
            page.get_by_role("button", name="Translate", exact=True).first.wait_for()
            for tab in ("Translate", "Compare translations", "Classify", "Compare images"):
                page.get_by_role("tab", name=tab).click()
                page.wait_for_timeout(500)  # of transitions of colors
                assert page.evaluate(LOW_CONTRASTS) == []
        page.set_viewport_size({"width": 360, "height": 740})  # of a phone
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.screenshot(path=tmp_path / "app.png")
    assert all("//127.0.0.1" in url for url in requests)
