# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Models as ONNX, for onnxruntime: the compact ViT in one file, the recurrent model as its encoder and one decoder step.

[`~hf_attention.hub.OnnxTranslator`] runs the recurrent model's.
"""

import contextlib
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from transformers import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from ..data.image_size import processed_size
from ..models.bahdanau.cache_bahdanau import BahdanauCache
from ..models.bahdanau.layers_bahdanau import BahdanauRecurrence
from ..models.bahdanau.modeling_bahdanau import BahdanauForConditionalGeneration
from .folder import WEIGHTS_DIGEST, check_weights, digest_weights, write_text
from .onnx_translator import DECODER, ENCODER, MODEL, QUANTIZED, STATE, open_session


ANNOTATIONS, KEYS, WEIGHTS = "encoder_hidden_states", "keys", "cross_attentions"
OPSET = 18
LOADED = {"dtype": torch.float32, "use_safetensors": True}
TOLERANCE = 1e-3
INT8 = ["MatMul", "Gemm", "Gather"]  # convolutions in int8 are slower than in float32; recurrent layers have none


class Encoder(nn.Module):
    """The source, to what the steps read: annotations, the first state and, where there is attention, keys."""

    def __init__(self, model: BahdanauForConditionalGeneration):
        super().__init__()
        self.encoder, self.decoder = model.model.encoder, model.model.decoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        annotations = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        state = torch.cat(self.decoder.start(self.decoder.read_ends(annotations, attention_mask)), dim=-1)
        if not self.decoder.has_attention:
            return annotations, state
        return annotations, state, self.decoder.project_keys(annotations)


class DecoderStep(nn.Module):
    """One token and the state before it, to its logits, the state after it, and what was attended to."""

    def __init__(self, model: BahdanauForConditionalGeneration):
        super().__init__()
        self.decoder, self.lm_head = model.model.decoder, model.lm_head

    def forward(self, input_ids, encoder_attention_mask, encoder_hidden_states, state, keys=None):
        cache = BahdanauCache()
        keys = encoder_hidden_states[:, :0] if keys is None else keys
        cache.update(state[:, None, None], keys[:, None], 0)
        outputs = self.decoder(
            input_ids=input_ids,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            past_key_values=cache,
            use_cache=True,
            output_attentions=True,
        )
        found = (self.lm_head(outputs.last_hidden_state), outputs.past_key_values.layers[0].keys[:, 0, 0])
        return (*found, outputs.cross_attentions[0]) if self.decoder.has_attention else found


class Classifier(nn.Module):
    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).logits


def export_onnx(folder: str, output_dir: str | None = None, quantize: bool = False) -> list[Path]:
    """
    Exports a model and compares what onnxruntime makes of it with the model.

    Batch, source length and, one token after another, target length are free; images have the size of the config.

    Args:
        folder (`str`): of a `bahdanau` model, or of any image classifier.
        output_dir (`str`, *optional*): defaults to `onnx` in the folder, which is published with it.
        quantize (`bool`): whether to write, beside each file, one with embeddings and the weights of matrix products
            in int8, activations quantised as they come (dynamically).

    Returns:
        `list[Path]`: the files.

    Raises:
        `ValueError`: for another kind of model, for one whose evaluation is random, for a file as `output_dir`, or
            where the files give something else than the model. Nothing is written then.
    """
    check_weights(folder)
    config = AutoConfig.from_pretrained(folder)
    target = Path(output_dir or Path(folder, "onnx"))
    if target.is_file():
        raise ValueError(f"`output_dir`: {target} is a file. Name a folder.")
    if getattr(config, "num_eval_copies", 0) > 0:
        raise ValueError(
            f"{folder} has `num_eval_copies={config.num_eval_copies}`: it looks at random places in evaluation, too, "
            "so no file gives what it gives. Save it with `num_eval_copies=0` in its config, and export that."
        )
    with tempfile.TemporaryDirectory() as scratch:
        if config.model_type == "bahdanau":
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, **LOADED).eval()
            export_bahdanau(model, scratch)
            compare_bahdanau(model, scratch)
        elif type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
            model = AutoModelForImageClassification.from_pretrained(folder, **LOADED).eval()
            export_classifier(model, find_size(folder, config), scratch)
        else:
            raise ValueError(f"{folder} holds a `{config.model_type}`; `bahdanau` and image classifiers are exported.")
        files = sorted(Path(scratch).glob("*.onnx"))
        if quantize:
            for file in list(files):
                smaller = file.with_stem(file.stem + QUANTIZED)
                # types that onnx's own inference does not find, as after GridSample, are those of the weights
                options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
                given = transpose_shared_weights(onnx.load(file))
                with quiet():
                    quantize_dynamic(
                        given, smaller, weight_type=QuantType.QInt8, op_types_to_quantize=INT8, extra_options=options
                    )
                files.append(smaller)
        target.mkdir(parents=True, exist_ok=True)
        for name in (ENCODER, DECODER, MODEL):  # of other weights
            for stale in target.glob(f"{name}*.onnx"):
                stale.unlink()
        write_text(target / WEIGHTS_DIGEST, digest_weights(folder))
        if model.can_generate():
            model.generation_config.save_pretrained(target)
        return [Path(shutil.copy(file, target / file.name)) for file in files]


def export_bahdanau(model: BahdanauForConditionalGeneration, folder: str):
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("source_length", min=1)
    has_attention = model.model.decoder.has_attention
    # sizes that no other dimension has, so that none is taken for another
    ids = torch.ones(3, 7, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, -2:] = 0
    with torch.no_grad():
        annotations, *states = Encoder(model)(ids, mask)
    with recurrences_as_onnx(model):
        write(
            Encoder(model),
            (ids, mask),
            Path(folder, f"{ENCODER}.onnx"),
            inputs={"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}},
            outputs=[ANNOTATIONS, STATE, *([KEYS] if has_attention else [])],
        )
        inputs = {
            "input_ids": {0: batch},
            "encoder_attention_mask": {0: batch, 1: length},
            ANNOTATIONS: {0: batch, 1: length},
            STATE: {0: batch},
        }
        if has_attention:
            inputs[KEYS] = {0: batch, 1: length}
        write(
            DecoderStep(model),
            (ids[:, :1], mask, annotations, *states),
            Path(folder, f"{DECODER}.onnx"),
            inputs=inputs,
            outputs=["logits", f"new_{STATE}", *([WEIGHTS] if has_attention else [])],
        )


def transpose_shared_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that several products read transposed, once and for all: the quantiser would do so for each of them."""
    readers = {}
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


def find_size(folder: str, config: PreTrainedConfig) -> tuple[int, int]:
    """Height and width of a classifier's images: the config's, or, where it takes any, its image processor's."""
    size = getattr(config, "image_size", None)
    if size is None:
        size = processed_size(AutoImageProcessor.from_pretrained(folder))
        size = (size["height"], size["width"]) if "height" in size else size["shortest_edge"]
    return tuple(size) if isinstance(size, (list, tuple)) else (size, size)


def export_classifier(model: PreTrainedModel, size: tuple[int, int], folder: str):
    pixels = torch.randn(3, model.config.num_channels, *size, generator=torch.Generator().manual_seed(0))
    file = Path(folder, f"{MODEL}.onnx")
    write(
        Classifier(model),
        (pixels,),
        file,
        inputs={"pixel_values": {0: torch.export.Dim("batch", min=1)}},
        outputs=["logits"],
    )
    found = open_session(file).run(None, {"pixel_values": pixels[:2].numpy()})[0]
    with torch.no_grad():
        check_same("logits", found, model(pixels[:2]).logits)


def write(module: nn.Module, inputs_given: tuple, file: Path, inputs: dict, outputs: list[str]):
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            inputs_given,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=tuple(inputs.values()),
        )
    model = program.model_proto
    del model.graph.value_info[:]  # shapes of constants as they were before they were folded
    onnx.save(model, file)


@contextlib.contextmanager
def quiet():
    """The exporter reports its progress and its own deprecations."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextlib.contextmanager
def recurrences_as_onnx(model: nn.Module):
    """Recurrent layers become ONNX's own for the time: unrolled, they would be exported for one length alone."""
    layers = [layer for layer in model.modules() if isinstance(layer, BahdanauRecurrence)]
    for layer in layers:
        layer.forward = OnnxRecurrence(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class OnnxRecurrence:
    """
    A [`BahdanauRecurrence`] as ONNX's `GRU`, `LSTM` or `RNN`.

    The 2014 cell is ONNX's GRU with `linear_before_reset=0`, but for z, which there weighs the old state: 1 -
    sigmoid(x) = sigmoid(-x), so its update gate changes sign.
    """

    # ONNX's gates, as numbers of PyTorch's
    gates = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}

    def __init__(self, layer: BahdanauRecurrence):
        self.size = layer.hidden_size
        self.attributes = {"hidden_size": self.size}
        if layer.reset_before:
            self.kind = "GRU"
            inputs, cell = layer.input_proj, layer.cell
            weights = inputs.weight, torch.cat([cell.recurrent.weight, cell.candidate.weight])
            biases = [inputs.bias, None]
        else:
            self.kind = type(layer.unit).__name__
            weights = layer.unit.weight_ih_l0, layer.unit.weight_hh_l0
            biases = [getattr(layer.unit, name, None) for name in ("bias_ih_l0", "bias_hh_l0")]
        if self.kind == "GRU":
            self.attributes["linear_before_reset"] = int(not layer.reset_before)
        biases = [weights[0].new_zeros(len(weights[0])) if bias is None else bias for bias in biases]
        signs = [-1 if layer.reset_before and gate == 1 else 1 for gate in self.gates[self.kind]]

        def arrange(tensor: torch.Tensor) -> torch.Tensor:
            parts = tensor.detach().split(self.size)
            return torch.cat([sign * parts[gate] for gate, sign in zip(self.gates[self.kind], signs)])

        self.weights = [arrange(weight).unsqueeze(0) for weight in weights]
        self.bias = torch.cat([arrange(bias) for bias in biases]).unsqueeze(0)

    def __call__(self, inputs: torch.Tensor, state: torch.Tensor | None = None, mask: None = None):
        """As [`BahdanauRecurrence`], without a mask: `(B, T, input_size)` to `(B, T, H)` and `(B, state_size)`."""
        batch, length, _ = inputs.shape
        states = [None, None] if state is None else [part.unsqueeze(0) for part in state.split(self.size, dim=-1)]
        if self.kind != "LSTM":
            states = states[:1]
        last = [1, batch, self.size]
        hidden, *ends = torch.onnx.ops.symbolic_multi_out(
            self.kind,
            [inputs.transpose(0, 1), *self.weights, self.bias, None, *states],
            self.attributes,
            dtypes=[inputs.dtype] * (1 + len(states)),
            shapes=[[length, 1, batch, self.size], *[last] * len(states)],
            version=OPSET,
        )
        return hidden.squeeze(1).transpose(0, 1), torch.cat([end.squeeze(0) for end in ends], dim=-1)


def compare_bahdanau(model: BahdanauForConditionalGeneration, folder: str):
    """On random sources of another size than was exported, padded on the right."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    size = config.encoder_vocab_size or config.vocab_size
    input_ids = torch.randint(0, size, (4, 11), generator=generator)
    attention_mask = (torch.arange(11) < torch.tensor([[11], [1], [5], [8]])).long()
    with torch.no_grad():
        targets = torch.randint(0, config.vocab_size, (4, 6), generator=generator)
        expected = model(input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=targets).logits
    fed = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
    encoder, decoder = (open_session(Path(folder, f"{name}.onnx")) for name in (ENCODER, DECODER))
    fed = dict(zip([output.name for output in encoder.get_outputs()], encoder.run(None, fed)))
    fed["encoder_attention_mask"] = attention_mask.numpy()
    for step in range(targets.shape[1]):
        found, fed[STATE], *_ = decoder.run(None, {**fed, "input_ids": targets[:, step : step + 1].numpy()})
        check_same("logits", found, expected[:, step : step + 1])


def check_same(name: str, found: np.ndarray, expected: torch.Tensor):
    difference = np.abs(found - expected.numpy()).max()
    if not difference < TOLERANCE:
        raise ValueError(
            f"onnxruntime's {name} differ from the model's by up to {difference:.2g}; nothing was written."
        )


__all__ = ["export_onnx"]
