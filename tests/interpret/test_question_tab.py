# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The app's tab that answers questions: its endpoint, its comparison, and in headless Chromium."""

import shutil
import tempfile

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import sync_playwright
from small_question_models import QUESTIONS, save_question_model
from transformers import ViltConfig, ViltForQuestionAnswering, pipeline

from hf_attention.interpret import answer_to_reading, build_app, launch_app, reading_to_html


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_question_model(tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="module")
def app(folder):
    server, url, _ = launch_app([str(folder)], images=[NOISE], prevent_thread_lock=True, quiet=True)
    yield url
    server.blocks.close()


def test_the_endpoint_answers_what_the_pipeline_answers(app, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where `gradio_client` leaves folders
    NOISE.save(tmp_path / "image.png")
    client = Client(app, verbose=False)
    scores, page = client.predict(handle_file(tmp_path / "image.png"), QUESTIONS[1], api_name="/ask")
    answers = pipeline("visual-question-answering-with-attention", model=str(folder))(NOISE, QUESTIONS[1], top_k=5)
    assert [row["label"] for row in scores["confidences"]] == [answer["answer"] for answer in answers]
    assert [row["confidence"] for row in scores["confidences"]] == pytest.approx(
        [answer["score"] for answer in answers], abs=1e-5
    )
    assert page == reading_to_html(answer_to_reading(NOISE, QUESTIONS[1], answers[0]))
    assert ">glimpse 2<" in page
    for image, question, message in [
        (None, QUESTIONS[0], "Upload an image"),
        (handle_file(tmp_path / "image.png"), " ", "A question must be a string that is not empty"),
        (handle_file(tmp_path / "image.png"), "?" * 1001, "The question has 1001 characters; the maximum is 1000"),
    ]:
        with pytest.raises(Exception, match=message):
            client.predict(image, question, api_name="/ask")


def test_a_model_without_glimpses_is_refused_in_words(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = ViltConfig(vocab_size=10, image_size=8, patch_size=4, **sizes)
    ViltForQuestionAnswering(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="ViltForQuestionAnswering does not return the attention of glimpses"):
        build_app([str(tmp_path)])


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_glimpses_are_shown_and_compared_in_a_browser(app):
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=flags).new_page()
        page.goto(app)
        page.locator(".gallery-item:visible").first.click()
        page.get_by_label("Question", exact=True).fill(QUESTIONS[0])
        page.get_by_role("button", name="Ask", exact=True).click()
        page.locator(".reading .t1").wait_for()
        assert not page.locator(".reading .m1").is_visible()
        page.locator(".reading .t1").focus()  # with the keyboard
        assert page.locator(".reading .m1").is_visible()

        page.get_by_role("tab", name="Compare answers").click()
        page.locator(".gallery-item:visible").first.click()
        page.get_by_label("First question").fill(QUESTIONS[0])
        page.get_by_label("Second question").fill(QUESTIONS[1])
        page.get_by_role("button", name="Compare", exact=True).click()
        page.wait_for_function("document.querySelectorAll('.scores').length == 2")
        page.locator(".pair .t1").first.click()
        assert [page.locator(".pair .m1").nth(side).is_visible() for side in (0, 1)] == [True, True]
        page.locator(".pair .t0").last.hover()
        shown = [page.locator(f".pair .m{number}").nth(side).is_visible() for number in (0, 1) for side in (0, 1)]
        assert shown == [True, True, False, False]
        boxes = [page.get_by_role("heading", name=name).bounding_box() for name in ("First", "Second")]
        assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]  # side by side
        assert page.evaluate(
            "[...document.querySelectorAll('.reading :is(img, svg)')].every(e => e.alt || e.ariaLabel)"
        )
        page.set_viewport_size({"width": 360, "height": 740})  # of a phone
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = [page.get_by_role("heading", name=name).bounding_box() for name in ("First", "Second")]
        assert boxes[0]["y"] < boxes[1]["y"]  # one below the other
