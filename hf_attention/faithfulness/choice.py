# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Which map of a model to show first: the one that did best where it was measured."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from ..interpret.alignments import Alignment
from .image_maps import IMAGE_MAPS
from .images import make_image_examples
from .result import RESULT_FILE, Faithfulness
from .text import make_text_examples
from .text_maps import TEXT_MAPS


GRADIENT_MAPS = ("gradient", "gradient x input", "integrated gradients")  # all others have to do with attention
NOT_MEASURED = "It was not measured which map of this model can be trusted: see `scripts/measure_faithfulness.py`."


@dataclass(frozen=True)
class LeadingMap:
    """
    The map to show first.

    Attributes:
        name (`str`, *optional*): a key of the tables of maps; `None` for the default, where nothing was measured.
        reason (`str`): one or two sentences that say why, or a caution.
    """

    name: str | None
    reason: str

    def of_image(self, model: PreTrainedModel, processor: BaseImageProcessor, image: Image.Image) -> np.ndarray:
        """The map (height, width) of the model's input."""
        assert self.name is not None
        return IMAGE_MAPS[self.name](make_image_examples(model, processor, [image]), processor)[0]

    def of_alignment(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        target_tokenizer: PreTrainedTokenizerBase,
        alignment: Alignment,
    ) -> Alignment:
        """The alignment with this map's weights: what speaks for a token, with the sum 1, or nothing."""
        if self.name in (None, "attention"):
            return alignment
        (example,) = make_text_examples(model, tokenizer, target_tokenizer, [alignment.source], [alignment.target])
        weights = TEXT_MAPS[self.name](example).clip(min=0)
        if weights.shape != alignment.weights.shape:  # with features, or tokens that the text does not give again
            return alignment
        sums = weights.sum(axis=1, keepdims=True)
        return replace(alignment, weights=np.divide(weights, sums, where=sums > 0, out=np.zeros_like(weights)))


def choose_map(result: Faithfulness | None) -> LeadingMap:
    """
    Chooses the map to show first from what was measured: the best attention map that beats random order (and, for
    images, a blob in the middle); if there is none, the best map of gradients that does; else the best attention map,
    with a caution.
    """
    if result is None:
        return LeadingMap(None, NOT_MEASURED)
    ranked = sorted(result.methods, key=result.headline, reverse=True)
    trusted = [name for name in ranked if result.beats_controls(name)]
    attention = [name for name in ranked if name not in GRADIENT_MAPS]
    controls = {"random": "random order", "center blob": "a blob in the middle"}
    # (-0.0 + 0 is 0.0)
    against = ", ".join(
        f"{text} {round(result.headline(name), 2) + 0:.2f}" for name, text in controls.items() if name in result.scores
    )
    if not trusted:
        return LeadingMap((attention or ranked)[0], result.verdict())
    chosen = next((name for name in trusted if name in attention), trusted[0])
    if chosen in GRADIENT_MAPS:
        reason = (
            f"No attention map of this model says more about it than {result.controls}; the map of *{chosen}* does"
        )
    else:
        reason = f"Of this model's attention maps, *{chosen}* says most about it"
    reason += f" (insertion minus deletion {result.headline(chosen):.2f}; {against})."
    if trusted[0] != chosen:
        reason += f" A map without attention, *{trusted[0]}*, says still more ({result.headline(trusted[0]):.2f})."
    return LeadingMap(chosen, reason)


def read_leading_map(name: str) -> LeadingMap:
    """
    Chooses the map to show first of a model in a folder or on the Hub, by its `faithfulness.json`, if it has one.

    Raises `ValueError` for a file that does not hold results.
    """
    file = cached_file(
        name,
        RESULT_FILE,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return choose_map(None if file is None else Faithfulness.load(file))


__all__ = ["LeadingMap", "choose_map", "read_leading_map"]
