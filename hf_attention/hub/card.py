# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The parts that all model cards share, filled in from the files of a finished run."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData, eval_result_entries_to_yaml
from matplotlib.figure import Figure
from transformers import PreTrainedModel, TrainingArguments

from .. import __version__
from ..interpret.color_scale import DPI
from .card_merge import stamp_card, update_card
from .faithfulness_section import CARD, add_faithfulness
from .folder import read_text, write_text


TEMPLATES = Path(__file__).parent / "templates"
CURVES = "assets/curves.png"
EVAL_RESULTS = ".eval_results/test.yaml"

# metric key -> its name, its format, and its type for the Hub
METRICS = {
    "exact_match": ("exact match", ".4f", "exact_match"),
    "symbol_error_rate": ("symbol error rate", ".4f", "symbol_error_rate"),
    "character_error_rate": ("character error rate", ".4f", "cer"),
    "word_error_rate": ("word error rate", ".4f", "wer"),
    "bleu": ("BLEU", ".2f", "bleu"),
    "chrf": ("chrF", ".2f", "chrf"),
    "alignment_error": ("alignment error", ".4f", "alignment_error"),
    "accuracy": ("accuracy", ".4f", "accuracy"),
    "accuracy_non_relational": ("accuracy on non-relational questions", ".4f", "accuracy_non_relational"),
    "accuracy_relational": ("accuracy on relational questions", ".4f", "accuracy_relational"),
    "top_5_accuracy": ("top-5 accuracy", ".4f", "top_5_accuracy"),
    "mae": ("mean absolute error", ".4g", "mae"),
    "rmse": ("root of the mean squared error", ".4g", "rmse"),
    "macro_f1": ("macro F1", ".4f", "f1"),
    "coverage": ("coverage of the object", ".4f", "coverage"),
    "coverage_by_chance": ("coverage by chance", ".4f", "coverage_by_chance"),
    "pointing": ("center of attention in the right box", ".4f", "pointing"),
    "pointing_by_chance": ("center in the right box by chance", ".4f", "pointing_by_chance"),
}
HYPERPARAMETERS = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta2",
    "max_grad_norm",
    "bf16",
    "seed",
)
CITATIONS = {
    "bahdanau": "Bahdanau, Cho and Bengio 2014, *Neural Machine Translation by Jointly Learning to Align and "
    "Translate*, [arXiv 1409.0473](https://arxiv.org/abs/1409.0473).",
    "compact_vit": "Hassani, Walton, Shah, Abuduweili, Li and Shi 2021, *Escaping the Big Data Paradigm with Compact "
    "Transformers*, [arXiv 2104.05704](https://arxiv.org/abs/2104.05704).",
    "attention_cnn": "He et al. 2015, *Deep Residual Learning for Image Recognition*, [arXiv "
    "1512.03385](https://arxiv.org/abs/1512.03385); Hu et al. 2017, *Squeeze-and-Excitation Networks*, [arXiv "
    "1709.01507](https://arxiv.org/abs/1709.01507); Wang et al. 2017, *Non-local Neural Networks*, [arXiv "
    "1711.07971](https://arxiv.org/abs/1711.07971); Jaderberg et al. 2015, *Spatial Transformer Networks*, [arXiv "
    "1506.02025](https://arxiv.org/abs/1506.02025).",
    "stacked_attention": "Yang, He, Gao, Deng and Smola 2016, *Stacked Attention Networks for Image Question "
    "Answering*, [arXiv 1511.02274](https://arxiv.org/abs/1511.02274).",
    "recurrent_attention": "Mnih, Heess, Graves and Kavukcuoglu 2014, *Recurrent Models of Visual Attention*, [arXiv "
    "1406.6247](https://arxiv.org/abs/1406.6247).",
}


@dataclass(kw_only=True)
class CardFacts:
    """
    What a model card states in addition to the results, which are read from the run's folder.

    Args:
        data_name, data_description (`str`): the data's name in a sentence; its content, origin and splits.
        split (`str`, *optional*): whose metrics are shown: `test`, `validation`, or none.
        dataset (`str`, *optional*): the data set's name on the Hub, if it is there.
        license (`str`, *optional*): of the model. The data's license may restrict it.
        base_model (`str`, *optional*): the model on the Hub that was fine-tuned.
        limits (`str`, *optional*): what the model is not suited for.
        leading_metrics (`tuple[str, ...]`): the metrics that are shown first.
    """

    template: ClassVar[str]  # a file of `templates/`
    task: ClassVar[str]  # as the Hub names it
    tags: ClassVar[tuple[str, ...]] = ()

    data_name: str
    data_description: str
    split: str | None = "test"
    dataset: str | None = None
    license: str | None = None
    base_model: str | None = None
    limits: str | None = None
    leading_metrics: tuple[str, ...] = ()

    def fill(self, folder: Path, model: PreTrainedModel, results: dict[str, Any]) -> dict[str, Any]:
        """Draws the card's pictures into `folder`, and returns the values of the template that are its own."""
        raise NotImplementedError

    def metadata(self) -> dict[str, Any]:
        """Returns the arguments of `ModelCardData` in addition to the common ones."""
        return {}

    def hyperparameters(self, training_args: TrainingArguments) -> dict[str, object]:
        """Returns those that are shown in addition to the trainer's."""
        return {}


def write_model_card(
    output_dir: str, model: PreTrainedModel, training_args: TrainingArguments, facts: CardFacts
) -> ModelCard:
    """
    Writes the card, `README.md`, and its plots into the folder of a finished run, from `all_results.json` and
    `trainer_state.json` in that folder and the given facts, and `.eval_results/test.yaml` if the data set is on the
    Hub. Edits of an existing card are kept: see [`~hf_attention.hub.card_merge.update_card`].

    Args:
        facts (`CardFacts`): of a subclass, which has the template and the task.

    Raises:
        `FileNotFoundError`: if the folder holds no finished run.
    """
    folder = Path(output_dir)
    results = json.loads((folder / "all_results.json").read_text("utf-8"))
    state = json.loads((folder / "trainer_state.json").read_text("utf-8"))
    (folder / "assets").mkdir(exist_ok=True)
    draw_curves(state["log_history"], folder / CURVES)
    model_name = folder.resolve().name
    prefix = "eval" if facts.split == "validation" else facts.split
    order = dict.fromkeys([*facts.leading_metrics, *METRICS])
    metrics = {key: results[f"{prefix}_{key}"] for key in order if f"{prefix}_{key}" in results}
    card_data = ModelCardData(
        model_name=model_name,
        library_name="transformers",
        pipeline_tag=facts.task,
        license=facts.license,
        base_model=facts.base_model,
        datasets=[facts.dataset] if facts.dataset else None,
        metrics=[METRICS[key][2] for key in metrics],
        tags=[model.config.model_type, "attention", *facts.tags],
        eval_results=[
            EvalResult(
                task_type=facts.task,
                dataset_type=facts.dataset or facts.data_name.lower().replace(" ", "-"),
                dataset_name=facts.data_name,
                dataset_split=facts.split,
                metric_type=METRICS[key][2],
                metric_name=METRICS[key][0],
                metric_value=round(value, 6),
            )
            for key, value in metrics.items()
        ],
        **facts.metadata(),
    )
    values = {"citation": CITATIONS.get(model.config.model_type, ""), **facts.fill(folder, model, results)}
    card = ModelCard.from_template(
        card_data,
        template_path=str(TEMPLATES / facts.template),
        model_name=model_name,
        repo_id=model_name,
        curves_figure=CURVES,
        data_name=facts.data_name,
        data_description=facts.data_description,
        split=facts.split,
        results=[(METRICS[key][0], format(value, METRICS[key][1])) for key, value in metrics.items()],
        hyperparameters=[
            *describe_training(training_args, results, state),
            *facts.hyperparameters(training_args).items(),
        ],
        parameters=f"{model.num_parameters():,}",
        options=describe_options(model),
        limits=facts.limits,
        versions=describe_versions(),
        **values,
    )
    write_text(folder / CARD, update_card(read_text(folder / CARD), stamp_card(card)))
    add_faithfulness(folder)
    results_file = folder / EVAL_RESULTS
    results_file.unlink(missing_ok=True)
    if facts.dataset is not None and facts.split == "test":
        entries = [
            EvalResultEntry(facts.dataset, METRICS[key][2], value=round(value, 6)) for key, value in metrics.items()
        ]
        write_text(results_file, yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False))
    return ModelCard(read_text(folder / CARD) or "")


def describe_decoding(num_beams: int) -> str:
    return f"{num_beams} beams" if num_beams > 1 else "greedy search"


def describe_training(training_args: TrainingArguments, results: dict, state: dict) -> list[tuple[str, str]]:
    options = training_args.to_dict()
    described = [
        ("epochs", f"{results['epoch']:.4g}"),
        ("steps", str(state["global_step"])),
        (
            "batch size",
            f"{training_args.train_batch_size} x {training_args.gradient_accumulation_steps} x "
            f"{training_args.world_size} processes",
        ),
        *((name, str(options[name])) for name in HYPERPARAMETERS),
    ]
    if "train_runtime" in results:
        described.append(("training time", f"{results['train_runtime']:.0f} s on {describe_device(training_args)}"))
    return described


def describe_options(model: PreTrainedModel) -> list[tuple[str, object]]:
    """Returns the options of the config that define the model, without those of its files and of how it is run."""
    hidden = {"transformers_version", "dtype", "architectures", "auto_map", "custom_pipelines", "_name_or_path"}
    hidden |= {"id2label", "label2id", "problem_type", "use_cache", "fused", "source_to_target_ids"}
    names = sorted(model.config.sub_configs, reverse=True)  # the encoder first
    parts = {f"{name}.": getattr(model.config, name) for name in names} or {"": model.config}
    return [
        (f"{part}{name}", value)
        for part, config in parts.items()
        for name, value in config.to_diff_dict().items()
        if name not in hidden and value is not None
    ]


def describe_versions() -> str:
    names = ("transformers", "torch", "datasets", "tokenizers", "sacrebleu", "kornia")
    # a copy on PYTHONPATH has no metadata, so the package's own version is not read from there
    return ", ".join([f"hf_attention {__version__}", *(f"{name} {version(name)}" for name in names)])


def describe_device(training_args: TrainingArguments) -> str:
    device = training_args.device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type.upper()


def draw_curves(history: list[dict], path: Path) -> None:
    """Plots the loss and the validation metrics by epoch."""
    losses = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry]
    evaluations = [entry for entry in history if "eval_loss" in entry]
    shown = ("eval_bleu", "eval_chrf", "eval_exact_match", "eval_accuracy")
    scores = [name for name in shown if any(name in entry for entry in evaluations)]
    figure = Figure(figsize=(4.5 * (2 if scores else 1), 3), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, 2 if scores else 1, squeeze=False)[0]
    if losses:
        axes[0].plot(*zip(*losses), label="training")
    if evaluations:
        points = [(entry["epoch"], entry["eval_loss"]) for entry in evaluations]
        axes[0].plot(*zip(*points), marker="o", label="validation")
    axes[0].set(xlabel="epoch", ylabel="loss", yscale="log")
    if losses or evaluations:
        axes[0].legend(frameon=False)
    for name in scores:
        scale = 100 if name in ("eval_exact_match", "eval_accuracy") else 1
        values = [(entry["epoch"], entry[name] * scale) for entry in evaluations if name in entry]
        axes[1].plot(*zip(*values), marker="o", label=METRICS[name.removeprefix("eval_")][0])
    if scores:
        axes[1].set(xlabel="epoch", ylabel="validation score, 0 to 100")
        axes[1].legend(frameon=False)
    figure.savefig(path)


__all__ = ["CardFacts", "write_model_card"]
