# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A web app for models, with a tab for each and a tab that compares those of a kind."""

import os
from collections.abc import Callable
from typing import Any

import gradio as gr
from PIL import Image
from transformers import MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING, PreTrainedConfig

from .classification_tab import ClassificationTab
from .comparison_tab import add_comparison
from .leading_map import LeadingMap
from .model_loading import load_config
from .question_tab import QuestionTab
from .reading_tab import ReadingTab
from .translation_tab import TranslationTab
from .uploads import HOUR, MAX_BYTES


TITLE = "What a model attends to"
QUEUE = 200  # requests that may wait
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # no downloads
# contrasts of at least 4.5 : 1
COLORS = {f"button_primary_background_fill{mode}": "*primary_700" for mode in ("", "_hover", "_dark", "_hover_dark")}
COLORS |= {"color_accent": "*primary_600", "block_label_text_color": "*neutral_600"}
COLORS |= {"block_title_text_color": "*neutral_600", "input_placeholder_color": "*neutral_600"}
COLORS |= {f"{part}_dark": "*neutral_300" for part in ("block_label_text_color", "block_title_text_color")}
STYLE = """
.min_value, .max_value, .or {color: inherit !important}
.tab-container button.selected {color: var(--primary-700) !important}
.dark .tab-container button.selected {color: var(--primary-300) !important}
"""
# by what a model does, which is the name of its endpoint
TABS = {"translate": TranslationTab, "classify": ClassificationTab, "read": ReadingTab, "ask": QuestionTab}


def launch_app(
    model_names: list[str],
    texts: list[str] | None = None,
    images: list[Image.Image] | None = None,
    choose: Callable[[str], LeadingMap] | None = None,
    **options: Any,
) -> Any:
    """
    Builds and serves the app; see [`build_app`]. `options` go to `gradio.Blocks.launch`, whose result is returned.
    """
    theme = gr.themes.Default(primary_hue="blue", font=FONTS["font"], font_mono=FONTS["font_mono"]).set(**COLORS)
    app = build_app(model_names, texts, images, choose).queue(max_size=QUEUE)
    options = {"theme": theme, "css": STYLE, "footer_links": [], "max_file_size": MAX_BYTES, **options}
    return app.launch(**options)


def build_app(
    model_names: list[str],
    texts: list[str] | None = None,
    images: list[Image.Image] | None = None,
    choose: Callable[[str], LeadingMap] | None = None,
) -> gr.Blocks:
    """
    Builds an app with a tab for each model: sequence-to-sequence models translate, image classifiers classify, vision
    encoder-decoders read, and models of visual question answering answer. A further tab for each of these kinds shows
    two models, or two inputs, side by side.

    Args:
        model_names (`list[str]`): folders, or names on the Hub. Code in these repositories is not run.
        texts (`list[str]`, *optional*), images (`list[PIL.Image.Image]`, *optional*): examples to try.
        choose (`Callable`, *optional*):
            From a model's name to the map that is shown first, and why. By default no map is preferred;
            [`~hf_attention.faithfulness.read_leading_map`] reads what was measured.

    The HTTP endpoint of a model is `/translate`, `/classify`, `/read` or `/ask`, with an underscore and the last part
    of the model's name if several models have the same task.
    """
    tasks = {name: find_task(load_config(name)) for name in model_names}
    tabs = {name: TABS[task](name, None if choose is None else choose(name)) for name, task in tasks.items()}
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(HOUR, HOUR)) as app:
        gr.Markdown(f"# {TITLE}")
        for task in dict.fromkeys(tasks.values()):
            same = [tabs[name] for name in tabs if tasks[name] == task]
            examples = list((texts if task == "translate" else images) or [])
            for tab in same:
                last = os.path.basename(os.path.normpath(tab.name))
                is_one_of_several = len(same) > 1
                with gr.Tab(f"{tab.verb}: {last}" if is_one_of_several else tab.verb):
                    gr.Markdown(f"`{tab.name}`")
                    tab.add(examples, api_name=f"{task}_{last}" if is_one_of_several else task)
            with gr.Tab(same[0].comparison):
                add_comparison(same, examples)
    return app


def find_task(config: PreTrainedConfig) -> str:
    """Returns what a model does, a key of `TABS`."""
    if config.model_type == "vision-encoder-decoder":
        return "read"
    if type(config) in MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING:
        return "ask"
    return "translate" if config.is_encoder_decoder else "classify"


__all__ = ["build_app", "launch_app"]
