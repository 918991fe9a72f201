# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Export to ONNX: an image classifier as one file, the recurrent model as its encoder and one decoder step.

[`~hf_attention.hub.OnnxTranslator`], which is copied next to the recurrent model's files, translates with them.
"""

import contextlib
import json
import logging as python_logging
import shutil
import tempfile
import warnings
from collections.abc import Generator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from transformers import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from ..interpret.model_loading import load_config, load_image_processor, load_model, load_tokenizer
from ..models.bahdanau.cache_bahdanau import BahdanauCache
from ..models.bahdanau.copy_bahdanau import find_copied_ids, mix_log_probs
from ..models.bahdanau.modeling_bahdanau import BahdanauForConditionalGeneration
from . import onnx_translator
from .folder import ONNX_TRANSLATOR, TARGET_TOKENIZER, WEIGHTS_DIGEST, check_weights, digest_weights, write_text
from .onnx_recurrence import OPSET, recurrences_as_onnx
from .onnx_translator import DECODER, ENCODER, FEATURES, MODEL, QUANTIZED, STATE, open_session, run_session


logger = logging.get_logger(__name__)

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
ANNOTATIONS, MASK = "encoder_hidden_states", "encoder_attention_mask"
KEYS, WEIGHTS, COPIED = "keys", "cross_attentions", "copied_ids"
TOLERANCE = 1e-3
INT8_OPERATORS = ["MatMul", "Gemm", "Gather"]  # not Conv, slower in int8; ONNX has no int8 recurrent layers


class Encoder(nn.Module):
    """
    From the source, and its features if the model reads them, to the inputs of the decoder step: annotations, initial
    state, with attention its keys, with attended features the mask of all annotations, and with a copy mechanism the
    target ids of the source.
    """

    def __init__(self, model: BahdanauForConditionalGeneration) -> None:
        super().__init__()
        self.encoder, self.decoder = model.model.encoder, model.model.decoder

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, feature_ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        encoded = self.encoder(input_ids=input_ids, attention_mask=attention_mask, feature_ids=feature_ids)
        annotations = encoded.last_hidden_state
        state = torch.cat(self.decoder.initial_states(self.decoder.final_states(annotations, attention_mask)), dim=-1)
        annotations, mask = self.decoder.append_features(annotations, attention_mask, feature_ids)
        if not self.decoder.has_attention:
            return annotations, state
        outputs = (annotations, state, self.decoder.project_keys(annotations))
        if self.decoder.features is not None:
            assert mask is not None  # for type checkers: it is the source's, extended
            outputs += (mask,)
        if self.decoder.copy_gate is None:
            return outputs
        # an output that is an input would have its name
        return *outputs, find_copied_ids(self.decoder.config, input_ids, input_ids.shape[1]) + 0


class DecoderStep(nn.Module):
    """From one token and the previous state to the logits, the next state and, with attention, its weights."""

    def __init__(self, model: BahdanauForConditionalGeneration) -> None:
        super().__init__()
        self.decoder, self.lm_head = model.model.decoder, model.lm_head

    def forward(
        self,
        input_ids: torch.Tensor,
        encoder_attention_mask: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        state: torch.Tensor,
        keys: torch.Tensor | None = None,
        copied_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        cache = BahdanauCache()
        keys = encoder_hidden_states[:, :0] if keys is None else keys
        no_features = None if self.decoder.features is None else input_ids[:, :0]  # the annotations have them
        cache.update(state[:, None, None], keys[:, None], 0)
        outputs = self.decoder(
            input_ids=input_ids,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            cache=cache,
            feature_ids=no_features,
            use_cache=True,
            output_attentions=True,
        )
        logits, (new_state, _) = self.lm_head(outputs.last_hidden_state), cache.read()
        if outputs.cross_attentions is None:
            return logits, new_state
        if copied_ids is not None:
            weights = outputs.cross_attentions[0].mean(dim=1)
            logits = mix_log_probs(logits, outputs.generation_logits, weights, copied_ids)
        return logits, new_state, outputs.cross_attentions[0]


class Classifier(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).logits


def export_onnx(folder: str | Path, output_dir: str | Path | None = None, quantize: bool = False) -> list[Path]:
    """
    Exports a model and compares the outputs of onnxruntime with the model's.

    Batch size, source length and, since the decoder runs step by step, target length are dynamic; images have the
    size of the config.

    Args:
        folder (`str` or `Path`): of a `bahdanau` model, or of any image classifier.
        output_dir (`str`, *optional*): defaults to `onnx` in the folder, which is published with it.
        quantize (`bool`): whether to write, next to each file, one with the weights of embeddings and matrix products
            in int8, whose activations are quantized dynamically.

    Returns:
        `list[Path]`: the ONNX files.

    Raises:
        `ValueError`: for a model of another type, a model whose evaluation is random or whose attention is hard, a
            file as `output_dir`, or if the outputs of the exported files differ from the model's. Nothing is written
            then.
    """
    check_weights(folder)
    config = load_config(folder)
    target = Path(output_dir or Path(folder, "onnx"))
    if target.is_file():
        raise ValueError(f"`output_dir`: {target} is a file. Name a folder.")
    if getattr(config, "num_eval_copies", 0) > 0:
        raise ValueError(
            f"{folder} has `num_eval_copies={config.num_eval_copies}`: it looks at random locations during evaluation "
            "too, so no exported file can reproduce it. Set `num_eval_copies=0` in its config, and export that."
        )
    if getattr(config, "initial_state_type", None) == "copy":
        raise ValueError(
            f"{folder}: a model with `initial_state_type='copy'` cannot be exported, since ONNX's recurrent layers do "
            "not return the last states of padded rows. Use PyTorch."
        )
    if hard := getattr(config, "hard_attention", None):
        raise ValueError(
            f"{folder}: a model with `hard_attention={hard!r}` cannot be exported, since a step needs the "
            "distribution of the alignment before it. Use PyTorch."
        )
    tokenizers = {  # by their sub-folders
        part: load_tokenizer(Path(folder, part))
        if any(Path(folder, part, name).is_file() for name in TOKENIZER_FILES)
        else None
        for part in ("", TARGET_TOKENIZER)
    }
    with tempfile.TemporaryDirectory() as scratch:
        if config.model_type == "bahdanau" and config.is_encoder_decoder:
            model = load_model(AutoModelForSeq2SeqLM, folder, dtype=torch.float32).eval()
            export_bahdanau(model, scratch)
            compare_bahdanau(model, scratch)
        elif type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
            model = load_model(AutoModelForImageClassification, folder, dtype=torch.float32).eval()
            export_classifier(model, find_size(folder, config), scratch)
        else:
            raise ValueError(
                f"{folder} holds a model of type `{config.model_type}`; only `bahdanau` models that translate, and "
                "image classifiers, can be exported."
            )
        files = sorted(Path(scratch).glob("*.onnx"))
        if quantize:
            files += [quantize_file(file) for file in files]
        target.mkdir(parents=True, exist_ok=True)
        for name in (ENCODER, DECODER, MODEL):  # of an earlier export
            for stale in target.glob(f"{name}*.onnx"):
                stale.unlink()
        write_text(target / WEIGHTS_DIGEST, digest_weights(folder))
        if model.can_generate():
            model.generation_config.save_pretrained(target)
            shutil.copy(onnx_translator.__file__, target / ONNX_TRANSLATOR)
            for part, tokenizer in tokenizers.items():
                save_tokenizer(tokenizer, target / part)
        return [Path(shutil.copy(file, target / file.name)) for file in files]


def save_tokenizer(tokenizer: PreTrainedTokenizerBase | None, target: Path) -> None:
    """Saves `tokenizer.json` and its options, as [`OnnxTranslator`] reads them, if it is a fast tokenizer."""
    for name in TOKENIZER_FILES:  # of an earlier export
        Path(target, name).unlink(missing_ok=True)
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        tokenizer.save_pretrained(target)
    elif tokenizer is not None:
        logger.warning(f"{target} has no fast tokenizer, so `OnnxTranslator` takes ids alone.")


def export_bahdanau(model: BahdanauForConditionalGeneration, folder: str | Path) -> None:
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("source_length", min=1)
    config, attends_features = model.config, model.model.decoder.features is not None
    has_attention, copies = model.model.decoder.has_attention, config.copy_mechanism
    # sizes that differ from every other dimension, so that the exporter does not confuse two
    ids = torch.ones(3, 7, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, -2:] = 0
    given, sizes = [ids, mask], {"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}}
    if config.feature_vocab_size is not None:
        given.append(ids[:, :5] % config.feature_vocab_size)
        sizes["feature_ids"] = {0: batch, 1: torch.export.Dim("features", min=1)}
    outputs = [ANNOTATIONS, STATE, *([KEYS] if has_attention else []), *([MASK] if attends_features else [])]
    with torch.no_grad():
        tensors = dict(zip([*outputs, COPIED], Encoder(model)(*given)))
    memory = torch.export.Dim("memory_length", min=1) if attends_features else length
    tensors = {"input_ids": ids[:, :1], MASK: tensors.pop(MASK, mask), **tensors}  # in the order of the arguments
    inputs = {name: {0: batch, 1: memory} for name in tensors}
    inputs |= {"input_ids": {0: batch}, STATE: {0: batch}}
    if copies:
        inputs[COPIED] = {0: batch, 1: length}
        outputs.append(COPIED)
    with recurrences_as_onnx(model):
        features = {"values": config.feature_values or {}, "separator": config.feature_separator}
        write(
            Encoder(model),
            tuple(given),
            Path(folder, f"{ENCODER}.onnx"),
            inputs=sizes,
            outputs=outputs,
            metadata={FEATURES: json.dumps(features)} if "feature_ids" in sizes else {},
        )
        write(
            DecoderStep(model),
            tuple(tensors.values()),
            Path(folder, f"{DECODER}.onnx"),
            inputs=inputs,
            outputs=["logits", f"new_{STATE}", *([WEIGHTS] if has_attention else [])],
        )


def quantize_file(file: Path) -> Path:
    """Writes, next to an ONNX file, one with int8 weights, and returns its path."""
    smaller = file.with_stem(file.stem + QUANTIZED)
    # onnx cannot infer the type after some operators (GridSample): it is that of the weights
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    with silence_exporter():
        quantize_dynamic(
            transpose_shared_weights(onnx.load(file)),
            smaller,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=INT8_OPERATORS,
            extra_options=options,
        )
    return smaller


def transpose_shared_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Transposes weights that several `Gemm` read transposed; else the quantizer stores a transposed copy for each."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for weight in model.graph.initializer:
        nodes = readers.get(weight.name, [])
        flags = [flag for node in nodes if node.op_type == "Gemm" for flag in node.attribute if flag.name == "transB"]
        if len(nodes) > 1 and len(flags) == len(nodes) and all(flag.i for flag in flags):
            values = np.ascontiguousarray(onnx.numpy_helper.to_array(weight).T)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
            for flag in flags:
                flag.i = 0
    return model


def find_size(folder: str | Path, config: PreTrainedConfig) -> tuple[int, int]:
    """Returns height and width of a classifier's images: the config's or, if it takes any, its image processor's."""
    size = getattr(config, "image_size", None)
    if size is None:
        image_processor = load_image_processor(folder)
        is_cropped = getattr(image_processor, "do_center_crop", None)
        sizes = dict(getattr(image_processor, "crop_size" if is_cropped else "size"))
        size = (sizes["height"], sizes["width"]) if "height" in sizes else sizes["shortest_edge"]
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return height, width


def export_classifier(model: PreTrainedModel, size: tuple[int, int], folder: str | Path) -> None:
    pixels = torch.randn(3, model.config.num_channels, *size, generator=torch.Generator().manual_seed(0))
    file = Path(folder, f"{MODEL}.onnx")
    write(
        Classifier(model),
        (pixels,),
        file,
        inputs={"pixel_values": {0: torch.export.Dim("batch", min=1)}},
        outputs=["logits"],
    )
    outputs = run_session(open_session(file), {"pixel_values": pixels[:2].numpy()})
    with torch.no_grad():
        check_same("logits", outputs["logits"], model(pixels[:2]).logits)


def write(
    module: nn.Module,
    example_inputs: tuple[torch.Tensor, ...],
    file: Path,
    inputs: dict,
    outputs: list[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Exports one module, with `metadata` in the file; `inputs` holds the dynamic dimensions by input name."""
    with silence_exporter(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            example_inputs,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=tuple(inputs.values()),
        )
    assert program is not None  # for type checkers: so it is with `dynamo=True`
    model = program.model_proto
    del model.graph.value_info[:]  # stale shapes of constants that were folded
    onnx.helper.set_model_props(model, metadata or {})
    onnx.save(model, file)


@contextlib.contextmanager
def silence_exporter() -> Generator[None]:
    """Hides the exporter's progress and deprecation warnings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        python_logging.disable(python_logging.WARNING)
        try:
            yield
        finally:
            python_logging.disable(python_logging.NOTSET)


def compare_bahdanau(model: BahdanauForConditionalGeneration, folder: str | Path) -> None:
    """Compares logits on random sources, padded on the right, whose shape differs from the exported example's."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    size = config.encoder_vocab_size or config.vocab_size
    input_ids = torch.randint(0, size, (4, 11), generator=generator)
    attention_mask = (torch.arange(11) < torch.tensor([[11], [1], [5], [8]])).long()
    sources = {"input_ids": input_ids, "attention_mask": attention_mask}
    if config.feature_vocab_size is not None:
        sources["feature_ids"] = torch.randint(0, config.feature_vocab_size, (4, 3), generator=generator)
    with torch.no_grad():
        targets = torch.randint(0, config.vocab_size, (4, 6), generator=generator)
        expected = model(**sources, decoder_input_ids=targets).logits
    encoder, decoder = (open_session(Path(folder, f"{name}.onnx")) for name in (ENCODER, DECODER))
    encoded = run_session(encoder, {name: tensor.numpy() for name, tensor in sources.items()})
    inputs = {MASK: attention_mask.numpy(), **encoded}
    for step in range(targets.shape[1]):
        outputs = run_session(decoder, {**inputs, "input_ids": targets[:, step : step + 1].numpy()})
        inputs[STATE] = outputs[f"new_{STATE}"]
        check_same("logits", outputs["logits"], expected[:, step : step + 1])


def check_same(name: str, outputs: np.ndarray, expected: torch.Tensor) -> None:
    difference = np.abs(outputs - expected.numpy()).max()
    if not difference < TOLERANCE:
        raise ValueError(
            f"onnxruntime's {name} differ from the model's by up to {difference:.2g}; nothing was written."
        )


__all__ = ["export_onnx"]
