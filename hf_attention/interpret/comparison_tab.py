# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The tab of the app that shows two models, or two inputs, side by side, with one color scale."""

from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from .uploads import errors_for_users


SIDES = ("First", "Second")
NUMBERS = range(128)  # of tokens or glimpses: one that is hovered over or focused shows its map on both sides
STYLE = (
    ".pair {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem 2rem}"
    ".pair section {min-width: 0} .pair h3 {overflow-wrap: anywhere}"
    + "".join(f".pair:has(.t{number}:focus) .m{number} {{visibility: visible}}" for number in NUMBERS)
    + ".pair:has(.t:hover) .m {visibility: hidden}"
    + "".join(f".pair:has(.t{number}:hover) .m{number} {{visibility: visible}}" for number in NUMBERS)
)
HINT = "An empty second input is the same as the first. Equal colors are equal values in all maps."


class ComparedTab(Protocol):
    """The tab of a model, which can be compared with another of its kind."""

    name: str

    @staticmethod
    def add_inputs(tabs: Sequence[Any], examples: list, side: str) -> list[Component]:
        """Adds the inputs of a tab, or of one side of a comparison of `tabs`."""
        ...

    @staticmethod
    def compare(tabs: Sequence[Any], sides: Sequence[tuple[Any, list]]) -> list[str]:
        """Returns a page for each side, one of the tabs and its inputs, with one color scale."""
        ...


def add_comparison(tabs: Sequence[ComparedTab], examples: list) -> None:
    """
    Adds the inputs of both sides, and what their models answer.

    Args:
        tabs (`Sequence[ComparedTab]`): of the models of a kind.
        examples (`list`): of inputs.
    """
    names, kind = [tab.name for tab in tabs], tabs[0]

    @errors_for_users()
    def compare(*values: Any) -> str:
        first, second = list(values[: len(values) // 2]), list(values[len(values) // 2 :])
        second = [old if new is None or new == "" else new for old, new in zip(first, second)]
        sides = [(tabs[names.index(name)], inputs) for name, *inputs in (first, second)]
        pages = kind.compare(tabs, sides)
        models = [f": <bdi>{escape(tab.name)}</bdi>" if len(names) > 1 else "" for tab, _ in sides]
        sections = [
            f"<section><h3>{side}{model}</h3>{page}</section>" for side, model, page in zip(SIDES, models, pages)
        ]
        return f'<div class="pair">{"".join(sections)}</div><style>{STYLE}</style>'  # after the style of the pages

    gr.Markdown(HINT)
    inputs: list[Component] = []
    with gr.Row():
        for number, side in enumerate(SIDES):
            with gr.Column():
                model = names[number % len(names)]
                inputs.append(gr.Dropdown(names, value=model, label=f"{side} model", visible=len(names) > 1))
                inputs += kind.add_inputs(tabs, examples, side)
    button = gr.Button("Compare", variant="primary")
    button.click(compare, inputs, gr.HTML(), api_visibility="private")


__all__ = []
