# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""One call that measures how faithful the attention of a model, and other maps, are to what it does."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.image_utils import MODES, convert_mode
from ..data.images import open_image
from ..interpret.alignments import align, has_text
from ..interpret.image_attention import apply_exif_orientation
from ..interpret.model_loading import find_target_tokenizer
from ..interpret.model_modes import eval_mode
from .attention_hooks import uniform_attention
from .image_maps import IMAGE_MAPS
from .images import IMAGE_BASELINES, ImageExample, make_image_examples
from .removal import (
    area,
    comprehensiveness,
    leave_one_out,
    rank_correlation,
    removal_curves,
    salience_coefficient,
    sufficiency,
    sum_cells,
    violations,
)
from .result import CONTROLS, Faithfulness, Score
from .text import TEXT_BASELINES, TextExample, make_text_examples
from .text_maps import TEXT_MAPS
from .truth import alignment_error, coverage, pointing


logger = logging.get_logger(__name__)

Example = TextExample | ImageExample
Maps = dict[str, list[np.ndarray]]  # name -> a map for each example


def measure_faithfulness(
    model: PreTrainedModel,
    processing: PreTrainedTokenizerBase | BaseImageProcessor,
    data: Dataset | Sequence[Any],
    methods: Sequence[str] | None = None,
    target_tokenizer: PreTrainedTokenizerBase | None = None,
    other_models: Sequence[PreTrainedModel] = (),
    randomize: bool = True,
    seed: int = 0,
) -> Faithfulness:
    """
    Measures whether maps of a model say what its outputs depend on: for encoder-decoders, weights of the source's
    tokens for each token of the target; for image classifiers, of the pixels for the predicted class.

    Works with this project's models and with those of transformers (Marian, ViT, ...). The measures, of each map and,
    as controls, of a random map, of a blob in the middle of the image, and of the effect of each part alone (leave one
    out), are means over the examples with standard errors:

    - `alignment_error`, `pointing`, `coverage`: agreement with what is known of the data;
    - `comprehensiveness`, `sufficiency` (DeYoung et al. 2020), `insertion_minus_deletion` (Petsiuk et al. 2018),
      `saco` (Wu et al. 2024), `loo_correlation` (Jain & Wallace 2019), `violation` (Liu et al. 2022), for
      each of two baselines: `mask` and `unknown` (the unknown token) for texts, `blur` and `mean` for images;
    - `randomized`: the absolute rank correlation with the map of the same model with random weights (Adebayo et al.
      2018, arXiv 1810.03292), high for a map that hardly depends on the model;
    - `seeds`: the rank correlation with the maps of `other_models`;
    - the probability of the outputs with uniform attention (Wiegreffe & Pinter 2019).

    Args:
        processing (`PreTrainedTokenizerBase` or `BaseImageProcessor`): the model's tokenizer or image processor.
        data (`Dataset` or `Sequence`):
            Texts: a data set with `source` and, if they are given, `target` and `alignment`, or a list of sources;
            without targets, the model's own are explained. Images: a data set with `image` and, if it is known, `box`,
            or a list of PIL images. About 100 examples give standard errors of a few hundredths.
        methods (`Sequence[str]`, *optional*): names of the maps; by default all that the model has.
        target_tokenizer (`PreTrainedTokenizerBase`, *optional*): as for [`~hf_attention.interpret.align`].
        other_models (`Sequence[PreTrainedModel]`): the same model from other seeds.
        randomize (`bool`, *optional*, defaults to `True`): whether to compare with random weights.
        seed (`int`, *optional*, defaults to 0): of the random map, of ties, and of the random weights.

    Raises:
        `ValueError`: for no data, an unknown method, one that the model has not, or a model of another kind.
    """
    if len(data) == 0:
        raise ValueError("`data` is empty; there is nothing to measure.")
    is_text = isinstance(processing, PreTrainedTokenizerBase)
    table: dict[str, Any] = TEXT_MAPS if is_text else IMAGE_MAPS
    if unknown := [name for name in methods or () if name not in table]:
        raise ValueError(f"`methods` has {unknown[0]!r}; choose from {', '.join(table)}.")
    if is_text != bool(model.config.is_encoder_decoder):
        kinds = ("an encoder-decoder", "a tokenizer") if is_text else ("an image classifier", "an image processor")
        raise ValueError(f"`processing` is {kinds[1]}, but `model` ({type(model).__name__}) is not {kinds[0]}.")
    with eval_mode(model):
        if isinstance(processing, PreTrainedTokenizerBase):
            examples: list[Any] = text_examples(model, processing, target_tokenizer, data)
        else:
            examples = image_examples(model, processing, data)
        make = map_maker(processing)
        maps = make_maps(make, examples, list(methods or table), is_required=methods is not None)
        baselines = TEXT_BASELINES if is_text else IMAGE_BASELINES
        scores = score_removal(examples, maps, baselines, seed)
        for name, values in maps.items():
            scores[name] |= score_truth(examples, values)
        ablation = measure_ablation(model, examples, baselines[0])
    tested = [name for name in maps if name not in CONTROLS]
    if randomize:
        other = with_random_weights(model, seed)
        correlations = correlate(make, examples, maps, tested, [other])
        for name, values in correlations.items():
            scores[name]["randomized"] = np.abs(values).tolist()
    if other_models:
        for name, values in correlate(make, examples, maps, tested, other_models).items():
            scores[name]["seeds"] = list(values)
    return Faithfulness(
        model=str(model.config._name_or_path or type(model).__name__),
        kind="text" if is_text else "image",
        num_examples=len(examples),
        scores={
            name: {key: score for key, values in row.items() if (score := Score.of(values)) is not None}
            for name, row in scores.items()
        },
        ablation=ablation,
        baselines=baselines,
    )


def text_examples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    target_tokenizer: PreTrainedTokenizerBase | None,
    data: Dataset | Sequence[str],
) -> list[TextExample]:
    """The pairs of the data, the targets generated if there are none."""
    target_tokenizer = target_tokenizer or find_target_tokenizer(model, tokenizer)
    targets, spans = None, None
    if isinstance(data, Dataset):
        sources = list(data["source"])
        targets = list(data["target"]) if "target" in data.column_names else None
        spans = list(data["alignment"]) if "alignment" in data.column_names and targets else None
    else:
        sources = list(data)
    for index, source in enumerate(sources):
        if not has_text(source, tokenizer):
            raise ValueError(f"`data` has {source!r} at position {index}, which is not a text. Remove it.")
    if targets is None:
        targets = [item.target for item in align(model, tokenizer, sources, target_tokenizer=target_tokenizer)]
    examples = make_text_examples(model, tokenizer, target_tokenizer, sources, targets, spans)
    examples = [example for example in examples if len(example.units) and len(example.outputs)]
    if not examples:
        raise ValueError("No example of `data` has a target with tokens to explain: it is empty, or special tokens.")
    return examples


def image_examples(
    model: PreTrainedModel, image_processor: BaseImageProcessor, data: Dataset | Sequence[Image.Image]
) -> list[ImageExample]:
    boxes = None
    if isinstance(data, Dataset):
        cells = list(data["image"])  # decoded, or as `load_digits` has them
        images = [cell if isinstance(cell, Image.Image) else open_image(cell) for cell in cells]
        boxes = list(data["box"]) if "box" in data.column_names else None
    else:
        images = list(data)
    mode = MODES.get(getattr(model.config, "num_channels", 3), "RGB")
    images = [convert_mode(image, mode) for image in apply_exif_orientation(images)]
    return make_image_examples(model, image_processor, images, boxes)


MapMaker = Callable[[str, list[Any]], list[np.ndarray]]


def map_maker(processing: PreTrainedTokenizerBase | BaseImageProcessor) -> MapMaker:
    """A function from the name of a map and examples to their maps."""
    if isinstance(processing, PreTrainedTokenizerBase):
        return lambda name, examples: [TEXT_MAPS[name](example) for example in examples]
    return lambda name, examples: IMAGE_MAPS[name](examples, processing)


def make_maps(make: MapMaker, examples: list[Any], names: list[str], is_required: bool) -> Maps:
    """The maps of each name; those that a model cannot have are left out, with a warning, unless they are required."""
    maps: Maps = {}
    left_out: dict[str, list[str]] = {}
    for name in names:
        try:
            maps[name] = make(name, examples)
        except ValueError as error:
            if is_required:
                raise
            left_out.setdefault(str(error).rstrip("."), []).append(name)
    if left_out:
        reasons = (f"{', '.join(group)} ({reason})" for reason, group in left_out.items())
        logger.warning(f"Maps that the model does not have: {'; '.join(reasons)}.")
    return maps


def score_removal(
    examples: list[Any], maps: Maps, baselines: tuple[str, ...], seed: int
) -> dict[str, dict[str, list[float | None]]]:
    """Map -> measure and baseline -> a value for each example, of the measures that remove input, and the controls."""
    scores: dict[str, dict[str, list[float | None]]] = {name: {} for name in (*maps, "random", "leave-one-out")}
    generator = np.random.default_rng(seed)
    for index, example in enumerate(examples):
        shape = (example.num_outputs, int(example.cells.max()) + 1)
        weights = {name: example.select(values[index]) for name, values in maps.items()}
        weights["random"] = generator.random(shape)[:, example.cells]
        for baseline in baselines:
            effects = leave_one_out(example, baseline)
            weights["leave-one-out"] = effects[:, example.cells]

            def predict(keep: np.ndarray, example: Example = example, baseline: str = baseline) -> np.ndarray:
                rows, places = np.unique(keep, axis=0, return_inverse=True)  # outputs share many
                return example.predict(rows, baseline)[places.reshape(-1)]

            for name, values in weights.items():
                deletion, insertion = removal_curves(predict, values, seed)
                cells = sum_cells(values, example.cells)
                measured = {
                    "comprehensiveness": comprehensiveness(deletion),
                    "sufficiency": sufficiency(insertion),
                    "deletion": area(deletion),
                    "insertion": area(insertion),
                    "insertion_minus_deletion": area(insertion) - area(deletion),
                    "saco": salience_coefficient(predict, values, seed),
                    "loo_correlation": rank_correlation(cells, effects),
                    "violation": violations(cells, effects),
                }
                for measure, of_outputs in measured.items():
                    scores[name].setdefault(f"{measure}_{baseline}", []).append(float(of_outputs.mean()))
    return scores


def score_truth(examples: list[Any], maps: list[np.ndarray]) -> dict[str, list[float | None]]:
    """Measure -> a value for each example, of the measures that compare with what is known."""
    if isinstance(examples[0], TextExample):
        return {"alignment_error": [alignment_error(*pair) for pair in zip(examples, maps)]}
    return {
        "pointing": [pointing(*pair) for pair in zip(examples, maps)],
        "coverage": [coverage(*pair) for pair in zip(examples, maps)],
    }


def measure_ablation(model: PreTrainedModel, examples: list[Any], baseline: str) -> dict[str, Score]:
    """The mean probability of the explained outputs, with the model's own and with uniform attention."""

    def probabilities() -> Score | None:
        rows = [example.predict(np.ones((1, len(example.cells)), dtype=bool), baseline) for example in examples]
        return Score.of(float(row.mean()) for row in rows)

    results = {"own": probabilities()}
    try:
        with uniform_attention(model):
            results["uniform"] = probabilities()
    except ValueError:  # the model has no attention that can be replaced
        pass
    return {name: score for name, score in results.items() if score is not None}


def with_random_weights(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A new model of the same config, without touching the global state of random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        other = type(model)(copy.deepcopy(model.config))
    return other.to(model.device, model.dtype).eval()


def correlate(
    make: MapMaker, examples: list[Any], maps: Maps, names: list[str], models: Sequence[PreTrainedModel]
) -> dict[str, list[float]]:
    """The rank correlation of each example's maps with those of other models, mean over outputs and models."""
    results: dict[str, list[list[float]]] = {name: [[] for _ in examples] for name in names}
    for other in models:
        copies = [copy.copy(example) for example in examples]
        for example in copies:
            example.model = other
        with eval_mode(other):
            for name, others in make_maps(make, copies, names, is_required=False).items():
                for example, own, theirs, row in zip(examples, maps[name], others, results[name]):
                    pair = (sum_cells(example.select(values), example.cells) for values in (own, theirs))
                    row.append(float(rank_correlation(*pair).mean()))
    return {name: [float(np.mean(row)) for row in rows if row] for name, rows in results.items()}


__all__ = ["measure_faithfulness"]
