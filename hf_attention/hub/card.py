# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Model cards, filled from what a run left in its folder: nothing in them is typed by hand."""

import json
import os
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from matplotlib.figure import Figure
from transformers import PreTrainedModel, TrainingArguments

from ..interpret.alignments import Alignment
from ..interpret.plots import plot_alignment


TEMPLATES = Path(__file__).parent / "templates"
ALIGNMENT, CURVES = "assets/alignment.png", "assets/curves.png"

# of a metric's key: its name, its digits, and its type and name for the Hub
METRICS = {
    "exact_match": ("exact match", ".4f", "exact_match"),
    "bleu": ("BLEU", ".2f", "bleu"),
    "chrf": ("chrF", ".2f", "chrf"),
    "alignment_error": ("alignment error", ".4f", "alignment_error"),
}
HYPERPARAMETERS = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta2",
    "label_smoothing_factor",
    "max_grad_norm",
    "bf16",
    "seed",
)


def write_translation_card(
    output_dir: str,
    model: PreTrainedModel,
    training_args: TrainingArguments,
    alignments: list[Alignment],
    example: str,
    data_name: str,
    data_description: str,
    test_size: int,
    num_beams: int,
    languages: list[str] | None = None,
    dataset: str | None = None,
    license: str | None = None,
    base_model: str | None = None,
    limits: str | None = None,
) -> ModelCard:
    """
    Writes `README.md` and its pictures into the folder of a finished run.

    Reads `all_results.json` and `trainer_state.json` there.

    Args:
        alignments (`list[Alignment]`): examples for the figure; none for a model without attention.
        example (`str`): a source sentence for the widget and the code.
        data_name, data_description (`str`): the data's name in a sentence, and what it is, where from, in what split.
        languages (`list[str]`, *optional*): ISO 639 codes for the Hub.
        license (`str`, *optional*): of the model, which the data's may bind; unknown to the writer.
        dataset (`str`, *optional*): the data set's name on the Hub, where it is there.

    Raises:
        `FileNotFoundError`: where the folder holds no finished run.
    """
    folder = Path(output_dir)
    results = json.loads((folder / "all_results.json").read_text())
    state = json.loads((folder / "trainer_state.json").read_text())
    (folder / "assets").mkdir(exist_ok=True)
    if alignments:
        draw_alignments(alignments, folder / ALIGNMENT)
    draw_curves(state["log_history"], folder / CURVES)

    model_name = folder.resolve().name
    found = {key: results[f"test_{key}"] for key in METRICS if f"test_{key}" in results}
    card_data = ModelCardData(
        model_name=model_name,
        language=languages,
        license=license,
        library_name="transformers",
        pipeline_tag="translation",
        base_model=base_model,
        datasets=[dataset] if dataset else None,
        metrics=[METRICS[key][2] for key in found],
        tags=[model.config.model_type, "attention", "alignment"],
        widget=[{"text": example}],
        eval_results=[
            EvalResult(
                task_type="translation",
                dataset_type=dataset or data_name.lower().replace(" ", "-"),
                dataset_name=data_name,
                dataset_split="test",
                metric_type=METRICS[key][2],
                metric_name=METRICS[key][0],
                metric_value=round(value, 6),
            )
            for key, value in found.items()
        ],
    )
    config = model.config.to_diff_dict()
    hidden = {"transformers_version", "dtype", "architectures", "auto_map", "custom_pipelines", "_name_or_path"}
    options = training_args.to_dict()
    hyperparameters = [
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
        hyperparameters.append(
            ("training time", f"{results['train_runtime']:.0f} s on {describe_device(training_args)}")
        )
    card = ModelCard.from_template(
        card_data,
        template_path=str(TEMPLATES / "translation_card.md"),
        model_name=model_name,
        repo_id=model_name,
        summary=summarize(model, data_name),
        alignment_figure=ALIGNMENT if alignments else None,
        curves_figure=CURVES,
        data_name=data_name,
        data_description=data_description,
        test_size=test_size,
        decoding=f"{num_beams} beams" if num_beams > 1 else "greedy search",
        results=[(METRICS[key][0], format(value, METRICS[key][1])) for key, value in found.items()],
        signature=results.get("test_signature"),
        example=json.dumps(example, ensure_ascii=False),
        hyperparameters=hyperparameters,
        parameters=f"{model.num_parameters():,}",
        options=[(name, value) for name, value in config.items() if name not in hidden],
        limits=limits or "Trained on one data set; on other text expect less. No test of bias or safety was made.",
        versions=describe_versions(),
        citation=CITATIONS.get(model.config.model_type, ""),
    )
    card.save(folder / "README.md")
    return card


CITATIONS = {
    "bahdanau": "Bahdanau, Cho and Bengio 2014, *Neural Machine Translation by Jointly Learning to Align and "
    "Translate*, [arXiv 1409.0473](https://arxiv.org/abs/1409.0473).",
}


def summarize(model: PreTrainedModel, data_name: str) -> str:
    config = model.config
    kind = type(model).__name__
    if config.model_type == "bahdanau":
        attention = "no attention" if config.attention_type == "none" else f"{config.attention_type} attention"
        kind = f"recurrent encoder-decoder ({config.cell_type.upper()}) with {attention}"
    languages = [getattr(config, name, None) for name in ("source_lang", "target_lang")]
    direction = "" if languages == ["source", "target"] else f" from {languages[0]} to {languages[1]}"
    return f"A {kind}, trained{direction} on {data_name}."


def describe_versions() -> str:
    names = ("hf_attention", "transformers", "torch", "datasets", "tokenizers", "sacrebleu")
    return ", ".join(f"{name} {version(name)}" for name in names)


def describe_device(training_args: TrainingArguments) -> str:
    return "GPU" if training_args.device.type == "cuda" else f"{os.cpu_count()} CPU cores"


def draw_alignments(alignments: list[Alignment], path: Path):
    """Side by side, on one picture."""
    widths = [max(3.0, 0.3 * len(alignment.source_tokens)) for alignment in alignments]
    height = max(3.0, 0.3 * max(len(alignment.target_tokens) for alignment in alignments))
    figure = Figure(figsize=(sum(widths) + 1, height), layout="constrained")
    axes = figure.subplots(1, len(alignments), width_ratios=widths, squeeze=False)[0]
    for alignment, ax in zip(alignments, axes):
        plot_alignment(alignment, ax)
    figure.savefig(path, dpi=100)


def draw_curves(history: list[dict], path: Path):
    """Loss, and every validation metric there is, by epoch."""
    losses = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry]
    evaluations = [entry for entry in history if "eval_loss" in entry]
    scores = [name for name in ("eval_bleu", "eval_chrf", "eval_exact_match") if any(name in e for e in evaluations)]
    figure = Figure(figsize=(4.5 * (2 if scores else 1), 3), layout="constrained")
    axes = figure.subplots(1, 2 if scores else 1, squeeze=False)[0]
    if losses:
        axes[0].plot(*zip(*losses), label="training")
    if evaluations:
        axes[0].plot(*zip(*((e["epoch"], e["eval_loss"]) for e in evaluations)), marker="o", label="validation")
    axes[0].set(xlabel="epoch", ylabel="loss", yscale="log")
    if losses or evaluations:
        axes[0].legend(frameon=False)
    for name in scores:
        values = [(e["epoch"], e[name] * (100 if name == "eval_exact_match" else 1)) for e in evaluations if name in e]
        axes[1].plot(*zip(*values), marker="o", label=METRICS[name.removeprefix("eval_")][0])
    if scores:
        axes[1].set(xlabel="epoch", ylabel="validation score, 0 to 100")
        axes[1].legend(frameon=False)
    figure.savefig(path, dpi=100)
