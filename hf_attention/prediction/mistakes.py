# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A page of a classifier's worst mistakes, with what it attended to. The page is one file and loads no others."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from ..data.images import open_image
from ..interpret.classifier_maps import SCALE, ImageMap, image_maps
from .files_to_classify import ImageFile
from .image_classifier import Classification, ImageClassifier


MOST = 60  # mistakes on a page
SIDE = 224  # pixels of the longer side of a picture
STYLE = """
:root {color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif}
body {max-width: 75rem; margin: 2rem auto; padding: 0 1rem}
ul {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem; padding: 0}
li {list-style: none; overflow-wrap: anywhere}
img {width: calc(50% - .25rem); height: auto}
"""


@dataclass
class Mistake:
    """An image and the class that the model predicted instead of the true one."""

    file: ImageFile
    result: Classification


class WorstMistakes:
    """Collects the mistakes of which a classifier was most certain."""

    def __init__(self) -> None:
        self.worst: list[Mistake] = []
        self.num_images = self.num_mistakes = 0

    def add(self, files: Iterable[ImageFile], results: Iterable[Classification]) -> None:
        """Adds classified images; those without a true class are left out."""
        for file, result in zip(files, results):
            if file.true is None or not result.labels:
                continue
            self.num_images += 1
            if result.labels[0] != file.true:
                self.num_mistakes += 1
                self.worst.append(Mistake(file, result))
        self.worst = sorted(self.worst, key=lambda mistake: -mistake.result.probabilities[0])[:MOST]

    def write(self, page: str, classifier: ImageClassifier, model_name: str) -> None:
        """Writes the page."""
        Path(page).write_text(self.to_html(classifier, model_name), "utf-8")

    def to_html(self, classifier: ImageClassifier, model_name: str) -> str:
        right = self.num_images - self.num_mistakes
        share = f"{100 * right / self.num_images:.1f} %" if self.num_images else "none"
        shown = f", of which the {len(self.worst)} worst are shown" if len(self.worst) < self.num_mistakes else ""
        images = [open_image({"bytes": None, "path": item.file.path}, mode=classifier.mode) for item in self.worst]
        maps = image_maps(classifier.model, classifier.image_processor, images)
        items = "".join(map(self.make_item, self.worst, maps))
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Worst mistakes</title><style>{STYLE}</style></head><body><h1>Worst mistakes</h1>"
            f"<p><bdi>{escape(model_name)}</bdi> is right on {right} of {self.num_images} images ({share}). It made "
            f"{self.num_mistakes} mistakes{shown}; those of which it was most certain come first.</p>"
            f"{describe(maps[0].what) if maps else ''}<ul>{items}</ul></body></html>\n"
        )

    @staticmethod
    def make_item(mistake: Mistake, image_map: ImageMap) -> str:
        result, path = mistake.result, mistake.file.path
        best = f"{result.labels[0]} ({result.probabilities[0]:.2f})"
        alt = f"{path}: true class {mistake.file.true}, predicted {best}"
        others = ", ".join(
            f"<bdi>{escape(label)}</bdi> {probability:.2f}"
            for label, probability in zip(result.labels[1:], result.probabilities[1:])
        )
        picture = draw(image_map.image.convert("RGB"), alt)
        return (
            f"<li>{picture} {draw(image_map.overlay(), f'The same image under the map: {image_map.what}')}"
            f"<br><strong>true: <bdi>{escape(mistake.file.true or '')}</bdi></strong>"
            f"<br>predicted: <bdi>{escape(result.labels[0])}</bdi> {result.probabilities[0]:.2f}"
            f"{f'<br>then: {others}' if others else ''}<br><small><bdi>{escape(path)}</bdi></small></li>"
        )


def draw(picture: Image.Image, alt: str) -> str:
    """An image as an element that holds its content."""
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "webp", quality=85)
    content = base64.b64encode(file.getvalue()).decode()
    width, height = picture.size
    return f'<img src="data:image/webp;base64,{content}" alt="{escape(alt)}" width="{width}" height="{height}">'


def describe(what: str) -> str:
    return (
        f"<p>Next to each image: {escape(what)}, in multiples of an even map, in which all positions are equal.</p>"
        f"{SCALE.to_svg()}"
    )


__all__ = ["WorstMistakes"]
