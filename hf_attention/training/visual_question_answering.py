# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The recipe for visual question answering: Sort-of-CLEVR -> stacked attention -> `Trainer` -> metrics -> folder."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch.utils.data import DataLoader
from transformers import (
    BaseImageProcessor,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    default_data_collator,
    set_seed,
)

from ..data.cached_transform import ROW, CachedTransform
from ..data.images import open_image
from ..data.sort_of_clevr import list_answers, load_sort_of_clevr
from ..data.tokenizer import train_tokenizer
from ..hub import QuestionCardFacts, write_model_card
from ..interpret import VisualQuestionAnsweringWithAttentionPipeline, answer_to_reading
from ..metrics import Pointing
from ..models.compact_vit import CompactVitImageProcessorPil
from ..models.stacked_attention import StackedAttentionConfig, StackedAttentionForVisualQuestionAnswering
from .arguments import RunArguments, describe_options
from .command_line import parse_overrides
from .interruption import catch_signals
from .output_folder import OutputFolder
from .recipe_trainer import RecipeTrainer
from .sharding import full_model


QUESTIONS_PER_IMAGE = 20
CARD_IMAGES = 4
STATISTICS_IMAGES = 256  # in which the mean and standard deviation of pixels are measured
ORIGIN = (
    "Sort-of-CLEVR (Santoro et al. 2017, [arXiv 1706.01427](https://arxiv.org/abs/1706.01427)), generated: images of "
    "64 x 64 pixels with six squares and circles, each of its own color, and questions as sentences, half of them "
    "about one object (non-relational), half about how it relates to the others (relational): "
)
LIMITS = (
    "It answers questions of six forms about six colored squares and circles on a light canvas; other words and other "
    "images get an answer too, which means nothing. Bias and safety were not evaluated."
)
FROM_DATA = ("vocab_size", "pad_token_id", "image_size", "num_channels", "num_labels", "id2label", "label2id")


# of the questions of each image; the non-relational ones come first
IS_RELATIONAL = np.arange(QUESTIONS_PER_IMAGE) >= QUESTIONS_PER_IMAGE // 2


@dataclass
class QuestionArguments(RunArguments):
    """`TrainingArguments`, and options of model and data. A batch is one of images, with 20 questions each."""

    default_run_name: ClassVar[str] = "sort-of-clevr"

    config_overrides: str | None = field(
        default=None, metadata={"help": "Options of the model: `num_glimpses=4,update_type=gru`."}
    )
    language: Literal["en", "ko"] = field(
        default="en", metadata={"help": "Language of the questions and answers: en or ko."}
    )
    num_train_images: int = field(default=10_000, metadata={"help": "Number of images of the training split."})
    num_test_images: int = field(default=500, metadata={"help": "Number of images of the test split."})


class ImageQuestions(torch.utils.data.Dataset):
    """
    A row per image of [`~hf_attention.data.sort_of_clevr.load_sort_of_clevr`]: `pixel_values` (C, height, width),
    `input_ids` and `attention_mask` (questions, T), and `labels` (questions,).

    Args:
        rows (`Dataset`): of one split, with `QUESTIONS_PER_IMAGE` questions for each image.
        answers (`list[str]`): the answers that the labels number.
        image_processor (`CompactVitImageProcessorPil`): images are kept in 8 bits, and normalized when they are read.
    """

    def __init__(
        self,
        rows: Dataset,
        answers: list[str],
        image_processor: CompactVitImageProcessorPil,
        tokenizer: PreTrainedTokenizerBase,
        length: int,
    ) -> None:
        encoded = tokenizer(list(rows["question"]), padding="max_length", max_length=length, return_tensors="pt")
        indices = {answer: index for index, answer in enumerate(answers)}
        labels = torch.tensor([indices[answer] for answer in rows["answer"]])
        shape = (-1, QUESTIONS_PER_IMAGE)
        self.inputs = {name: encoded[name].unflatten(0, shape) for name in ("input_ids", "attention_mask")}
        self.inputs["labels"] = labels.unflatten(0, shape)
        self.image_processor = image_processor
        statistics = image_processor.image_mean, image_processor.image_std
        self.mean, self.std = (torch.tensor(values).view(-1, 1, 1) for values in statistics)
        self.images = list(rows.select(range(0, len(rows), QUESTIONS_PER_IMAGE))["image"])
        self.load_images = CachedTransform(self.process_images)
        self.boxes = np.asarray(rows["box"]).reshape(*shape, 4)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        pixel_values = self.load_images({ROW: [index], "image": [self.images[index]]})["pixel_values"][0]
        inputs = {name: values[index] for name, values in self.inputs.items()}
        return {"pixel_values": (pixel_values - self.mean) / self.std, **inputs}

    def process_images(self, rows: dict) -> dict:
        images = [open_image(cell, mode="RGB") for cell in rows["image"]]
        return dict(self.image_processor(images, do_normalize=False, return_tensors="pt"))


def compute_metrics(output: EvalPrediction) -> dict[str, float]:
    """Accuracy on all questions, on relational and on the other ones, from logits (images, questions, answers)."""
    is_right = np.asarray(output.predictions).argmax(axis=-1) == output.label_ids
    return {
        "accuracy": float(is_right.mean()),
        "accuracy_relational": float(is_right[:, IS_RELATIONAL].mean()),
        "accuracy_non_relational": float(is_right[:, ~IS_RELATIONAL].mean()),
    }


@torch.no_grad()
def measure_pointing(model: StackedAttentionForVisualQuestionAnswering, data: ImageQuestions) -> dict[str, float]:
    """
    Returns, of non-relational questions, in which share the center of a glimpse's attention is in the box of the
    object asked about: `pointing_1`, `pointing_2`, ... for each glimpse; `pointing`, of the best of these glimpses,
    and `pointing_by_chance`, the same in the box of the next question.
    """
    rows, columns = model.config.grid_height_width
    x, y = ((np.arange(length) + 0.5) * model.config.grid_stride for length in (columns, rows))
    centers = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    model.eval()
    found = []
    for batch in DataLoader(data, batch_size=50):
        batch.pop("labels")
        outputs = model(**{name: values.to(model.device) for name, values in batch.items()}, output_attentions=True)
        found.append(outputs.attentions[0].squeeze(2).float().cpu().numpy() @ centers)
    points, boxes = np.concatenate(found)[:, ~IS_RELATIONAL], data.boxes[:, ~IS_RELATIONAL]
    points, boxes = points.reshape(-1, *points.shape[2:]), boxes.reshape(-1, 4)  # (N, K, 2), (N, 4)
    shares = [Pointing().compute(predictions=points[:, k], references=boxes) or {} for k in range(points.shape[1])]
    best = max(shares, key=lambda share: share["pointing"])
    return {f"pointing_{k + 1}": share["pointing"] for k, share in enumerate(shares)} | best


@catch_signals()
def train_visual_question_answering(args: QuestionArguments, callbacks: list[TrainerCallback] | None = None) -> dict:
    """
    Trains a new model on Sort-of-CLEVR, evaluates, tests and saves it.

    Args:
        args (`QuestionArguments`): the options of the script.
        callbacks (`list[TrainerCallback]`, *optional*): of the Trainer, in addition to its own.

    Returns:
        `dict`: the content of `all_results.json` in the output folder: `train_*`, `eval_*` and `test_*` metrics.

    Raises:
        `ValueError`: if the arguments and the output folder do not fit each other, before anything is written.
    """
    if not args.do_train:
        raise ValueError("This recipe trains a new model: leave out `do_train`.")
    set_seed(args.seed)
    args.move_token_to_environment()
    folder = OutputFolder(args)
    checkpoint = folder.find_checkpoint()
    given = parse_overrides(StackedAttentionConfig(), args.config_overrides, from_data=FROM_DATA)
    sizes = {"train": args.num_train_images, "validation": 100, "test": args.num_test_images}
    splits = load_sort_of_clevr(sizes, QUESTIONS_PER_IMAGE, language=args.language)
    answers = list_answers(args.language)
    tokenizer = train_tokenizer(splits["train"]["question"], model_type="word")
    first_questions = range(0, len(splits["train"]), QUESTIONS_PER_IMAGE)
    seen = splits["train"].select(first_questions[:STATISTICS_IMAGES])
    pixels = np.stack([np.asarray(open_image(image, mode="RGB")) for image in seen["image"]]) / 255
    height, width = pixels.shape[1:3]  # of (images, height, width, 3)
    mean, std = (statistic(axis=(0, 1, 2)).tolist() for statistic in (pixels.mean, pixels.std))
    image_processor = CompactVitImageProcessorPil(
        size={"height": height, "width": width}, image_mean=mean, image_std=std
    )
    config = StackedAttentionConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        image_size=height,
        id2label=dict(enumerate(answers)),
        label2id={answer: index for index, answer in enumerate(answers)},
        **given,
    )
    folder.check(config, checkpoint)
    length = max(map(len, tokenizer(list(set(splits["train"]["question"])))["input_ids"]))
    data = {name: ImageQuestions(rows, answers, image_processor, tokenizer, length) for name, rows in splits.items()}
    trainer = RecipeTrainer(
        model=StackedAttentionForVisualQuestionAnswering(config),
        args=args,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        data_collator=default_data_collator,  # the tokenizer's would copy pixels by way of lists
        compute_metrics=compute_metrics,
        callbacks=callbacks,
        **args.trainer_options(),
    )
    folder.train(trainer, checkpoint, None, describe_options(args))
    folder.report(trainer, "eval", trainer.evaluate())
    metrics = trainer.evaluate(data["test"], metric_key_prefix="test")
    model = full_model(trainer)
    if trainer.is_world_process_zero():
        image_processor.save_pretrained(str(args.output_dir))
        assert isinstance(model, StackedAttentionForVisualQuestionAnswering)  # for type checkers
        metrics |= {f"test_{name}": value for name, value in measure_pointing(model, data["test"]).items()}
    folder.report(trainer, "test", metrics)
    if trainer.is_world_process_zero():
        with folder.explain_full_disk(trainer):
            write_card(model, image_processor, tokenizer, args, splits)
        folder.push(trainer, trust_remote_code=False)
    return folder.read_results()


def write_card(
    model: PreTrainedModel,
    image_processor: BaseImageProcessor,
    tokenizer: PreTrainedTokenizerBase,
    args: QuestionArguments,
    data: DatasetDict,
) -> None:
    """Writes the card, with the glimpses for questions of both kinds about the first images of the test split."""
    ask = VisualQuestionAnsweringWithAttentionPipeline(
        model=model,
        tokenizer=tokenizer,
        image_processor=image_processor,
    )
    readings = []
    for place in range(min(CARD_IMAGES, args.num_test_images)):
        row = data["test"][place * QUESTIONS_PER_IMAGE + place % 2 * QUESTIONS_PER_IMAGE // 2]
        image = open_image(row["image"], mode="RGB")
        (answer,) = ask(image, row["question"])
        readings.append(answer_to_reading(image, row["question"], answer))
        if answer["answer"] != row["answer"]:
            readings[-1].text += f" (correct: {row['answer']})"
    sizes = ", ".join(f"{split} {len(rows) // QUESTIONS_PER_IMAGE:,}" for split, rows in data.items())
    facts = QuestionCardFacts(
        data_name="Sort-of-CLEVR",
        data_description=f"{ORIGIN}{sizes} images, with {QUESTIONS_PER_IMAGE} questions each.",
        license="apache-2.0",
        limits=LIMITS,
        example=data["test"][0]["question"],
        language=args.language,
        readings=readings,
        test_size=len(data["test"]),
    )
    write_model_card(str(args.output_dir), model, args, facts)


__all__ = ["QuestionArguments", "train_visual_question_answering"]
