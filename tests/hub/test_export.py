# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from small_onnx_models import make_recurrent_model
from transformers import (
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    MarianConfig,
    MarianMTModel,
    ResNetConfig,
    ResNetForImageClassification,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_attention import (
    AttentionCnnConfig,
    BahdanauConfig,
    BahdanauForCausalLM,
    BahdanauForConditionalGeneration,
    CompactVitConfig,
    CompactVitModel,
    RecurrentAttentionConfig,
)
from hf_attention.hub import export
from hf_attention.hub.export import export_onnx, write
from hf_attention.hub.folder import list_shared
from hf_attention.hub.onnx_translator import OnnxTranslator, open_session


SMALL_VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
COPYING = {"copy_mechanism": True, "encoder_vocab_size": 30, "source_to_target_ids": [-1, *range(1, 25)]}
LUONG = {"attention_type": "general", "attention_query": "current", "input_feeding": True, "readout_type": "tanh"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reset_after": False, "use_bias": False, "encoder_layers": 2},
        {"cell_type": "rnn", "attention_type": "none", "bidirectional": False},
        {"cell_type": "lstm", "decoder_layers": 2, **LUONG, **COPYING},
        {"attention_type": "scaled_dot", "attention_query": "current", "readout_type": "linear", "reset_after": False},
        {"cell_type": "mingru", "attention_type": "general", "attention_query": "current"},
        {"num_attention_heads": 2, "attention_function": "entmax15"},
        {"local_attention": "monotonic", "local_window": 2, "attention_query": "current", "decoder_layers": 2},
        {"local_attention": "predictive", "local_window": 3, "attention_query": "current", "readout_type": "tanh"},
    ],
    ids=["gru", "2014", "rnn", "luong", "2014-current", "mingru", "heads-entmax15", "local-m", "local-p"],
)
def test_greedy_output_and_logits_equal_pytorchs(options, tmp_path):
    model = make_recurrent_model(tmp_path, **options)
    files = export_onnx(str(tmp_path))
    assert [file.name for file in files] == ["decoder_model.onnx", "encoder_model.onnx"]
    runner = OnnxTranslator(str(tmp_path / "onnx"))
    generator = torch.Generator().manual_seed(1)
    for batch, length in ((1, 1), (5, 13), (2, 40)):
        input_ids = torch.randint(3, 30, (batch, length), generator=generator)
        lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
        mask = (torch.arange(length) < lengths).long()
        mask[::2] = mask[::2].flip(1)  # padded on the left, too
        ids, logits = runner.generate(input_ids.numpy(), mask.numpy())
        with torch.no_grad():
            expected = model.generate(input_ids=input_ids, attention_mask=mask, num_beams=1)
            assert ids.tolist() == expected.tolist()
            outputs = model(input_ids=input_ids, attention_mask=mask, decoder_input_ids=torch.tensor(ids[:, :-1]))
        np.testing.assert_allclose(logits, outputs.logits.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"copy_mechanism": True, "cell_type": "lstm", "num_attention_heads": 2},
        {"feature_mode": "add", "attention_query": "current", "readout_type": "tanh"},
    ],
    ids=["attended, copying", "added"],
)
def test_features_of_sources_are_read_as_by_pytorch(options, tmp_path):
    values = {"tags": ["1sg", "2sg", "past"], "dialect": ["north", "south"]}
    model = make_recurrent_model(tmp_path, feature_vocab_size=6, feature_values=values, **options)
    export_onnx(tmp_path, quantize=True)
    rows = [
        {"tags": "past; 2sg", "dialect": ["south"]},
        {"tags": None, "dialect": ""},
        {"tags": "1sg", "dialect": "?"},
    ]
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0]])
    batch = {"input_ids": torch.arange(12).view(3, 4) + 5, "attention_mask": mask}
    batch["feature_ids"] = model.encode_features(rows)
    expected = model.generate(**batch, num_beams=1)
    with torch.no_grad():
        outputs = model(**batch, decoder_input_ids=expected[:, :-1])
    runner = OnnxTranslator(tmp_path / "onnx")
    assert np.array_equal(runner.encode_features(rows), batch["feature_ids"])
    ids, logits = runner.generate(**{name: tensor.numpy() for name, tensor in batch.items()})
    assert ids.tolist() == expected.tolist()
    np.testing.assert_allclose(logits, outputs.logits.numpy(), atol=1e-3)
    assert OnnxTranslator(tmp_path / "onnx", quantized=True).feature_values == runner.feature_values

    with pytest.raises(ValueError, match=r"reads features of each source \(dialect, tags\)"):
        runner.generate(batch["input_ids"].numpy(), mask.numpy())
    with pytest.raises(ValueError, match="feature column tags"):
        runner.encode_features([{"dialect": "north"}])


def test_a_trained_model_in_int8_is_smaller_and_close(small_run, tmp_path):
    files = export_onnx(str(small_run[0]), str(tmp_path), quantize=True)
    sizes = {file.name: file.stat().st_size for file in files}
    assert sizes["decoder_model_quantized.onnx"] < 0.5 * sizes["decoder_model.onnx"]
    assert sizes["encoder_model_quantized.onnx"] < sizes["encoder_model.onnx"]
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(small_run[0]), AutoTokenizer.from_pretrained(small_run[0])
    texts = ["4. März 2005", "2031년 12월 25일"]
    batch = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    expected = model.generate(**batch, num_beams=1)
    given = {name: value.numpy() for name, value in batch.items()}
    assert OnnxTranslator(str(tmp_path)).generate(**given)[0].tolist() == expected.tolist()
    exact, rounded = (OnnxTranslator(str(tmp_path), quantized).generate(**given)[1] for quantized in (False, True))
    assert 0 < np.abs(exact[:, 0] - rounded[:, 0]).max() < 0.2


def test_image_classifiers_give_pytorchs_logits(small_vision_run, tmp_path):
    files = export_onnx(str(small_vision_run[0]), str(tmp_path / "ours"), quantize=True)
    assert [file.name for file in files] == ["model.onnx", "model_quantized.onnx"]
    model = AutoModelForImageClassification.from_pretrained(small_vision_run[0])
    processor = AutoImageProcessor.from_pretrained(small_vision_run[0])
    images = [Image.effect_noise((8, 8), 60) for _ in range(5)]
    pixel_values = processor(images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model(pixel_values).logits.numpy()
    exact, rounded = (open_session(file).run(None, {"pixel_values": pixel_values.numpy()})[0] for file in files)
    np.testing.assert_allclose(exact, expected, atol=1e-4)
    assert 0 < np.abs(rounded - expected).max() < 0.2

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTForImageClassification(ViTConfig(image_size=8, patch_size=4, **sizes)).save_pretrained(tmp_path / "vit")
    assert export_onnx(str(tmp_path / "vit"))[0] == tmp_path / "vit" / "onnx" / "model.onnx"

    # a convolutional network, whose images have the size that its processor makes
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(tmp_path / "resnet")
    ViTImageProcessorPil(size={"height": 40, "width": 32}).save_pretrained(tmp_path / "resnet")
    session = open_session(export_onnx(str(tmp_path / "resnet"))[0])
    assert session.get_inputs()[0].shape[1:] == [3, 40, 32]


@pytest.mark.parametrize(
    "config",
    [
        CompactVitConfig(tokenizer_type="whitened", **SMALL_VIT),
        CompactVitConfig(pooling_type="cls", **SMALL_VIT),
        CompactVitConfig(pooling_type="mean", token_keep_rate=0.5, **SMALL_VIT),
        CompactVitConfig(pooling_type="cls", token_keep_rate=0.5, **SMALL_VIT),
        AttentionCnnConfig(hidden_sizes=[4, 8], depths=[1, 1], attention_type="se", reduction_ratio=2),
        AttentionCnnConfig(
            hidden_sizes=[4, 8],
            depths=[1, 1],
            attention_type="non_local",
            spatial_transformer="affine",
            warped_size=16,
        ),
        RecurrentAttentionConfig(
            num_channels=3, image_size=32, num_glimpses=3, num_scales=2, initial_location="center", hidden_size=16
        ),
    ],
    ids=[
        "whitened",
        "class token",
        "pruned",
        "class token, pruned",
        "se",
        "non_local, spatial_transformer",
        "recurrent",
    ],
)
def test_vision_families_accept_any_batch_size(config, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForImageClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # so that zero starts do not hide what a part does
            parameter += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path)
    files = export_onnx(str(tmp_path), quantize=True)
    # smooth images: in int8, windows are a little off
    pixel_values = torch.nn.functional.interpolate(torch.randn(5, 3, 4, 4), 32, mode="bilinear")
    with torch.no_grad():
        expected = model(pixel_values).logits.numpy()
    exact, rounded = (open_session(file).run(None, {"pixel_values": pixel_values.numpy()})[0] for file in files)
    np.testing.assert_allclose(exact, expected, atol=1e-4)
    chances, rounded_chances = torch.tensor(expected).softmax(-1), torch.tensor(rounded).softmax(-1)
    assert 0 < (rounded_chances - chances).abs().max() < 0.1


def test_an_export_of_other_weights_is_not_published(small_vision_run, tmp_path):
    folder = shutil.copytree(small_vision_run[0], tmp_path / "run")
    export_onnx(str(folder), quantize=True)
    assert {"onnx/model.onnx", "onnx/model_quantized.onnx"} <= set(list_shared(str(folder))[0])
    export_onnx(str(folder))
    assert not (folder / "onnx" / "model_quantized.onnx").exists()
    model = AutoModelForImageClassification.from_pretrained(folder)
    model.classifier.bias.data += 1
    model.save_pretrained(folder)
    shared, skipped = list_shared(str(folder))
    assert not [path for path in shared if path.startswith("onnx")]
    assert "onnx" in skipped


def test_what_cannot_be_exported_is_an_error(small_run, tmp_path):
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = MarianConfig(vocab_size=9, pad_token_id=0, decoder_start_token_id=0, eos_token_id=1, **sizes, **heads)
    MarianMTModel(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a model of type `marian`"):
        export_onnx(str(tmp_path))
    decoder = BahdanauForCausalLM(
        BahdanauConfig.from_preset("tiny", vocab_size=9, is_decoder=True, add_cross_attention=True)
    )
    decoder.save_pretrained(tmp_path / "decoder")
    with pytest.raises(ValueError, match="only `bahdanau` models that translate, and image classifiers"):
        export_onnx(str(tmp_path / "decoder"))
    encoder = CompactVitModel(CompactVitConfig(image_size=8, hidden_size=16, num_hidden_layers=1, num_channels=1))
    VisionEncoderDecoderModel(encoder=encoder, decoder=decoder).save_pretrained(tmp_path / "reader")
    with pytest.raises(ValueError, match="type `vision-encoder-decoder`; only"):
        export_onnx(str(tmp_path / "reader"))
    with pytest.raises(ValueError, match="is not a folder"):
        export_onnx(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="`output_dir`: .*config.json is a file"):
        export_onnx(str(small_run[0]), str(tmp_path / "config.json"))
    config = BahdanauConfig.from_preset("tiny", vocab_size=9, initial_state_type="copy")
    BahdanauForConditionalGeneration(config).save_pretrained(tmp_path / "copies")
    with pytest.raises(ValueError, match="`initial_state_type='copy'` cannot be exported"):
        export_onnx(str(tmp_path / "copies"))
    config = RecurrentAttentionConfig(hidden_size=16, num_eval_copies=2)
    AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path / "random")
    with pytest.raises(ValueError, match="`num_eval_copies=2`: it looks at random locations"):
        export_onnx(str(tmp_path / "random"))


@pytest.mark.parametrize("file", ["decoder_model.onnx", "model.onnx"])
def test_a_file_with_other_outputs_is_not_written(file, tmp_path, monkeypatch):
    if file == "model.onnx":
        config = CompactVitConfig(image_size=8, num_conv_layers=1, **SMALL_VIT)
        AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path)
    else:
        make_recurrent_model(tmp_path)

    def write_of_other_weights(module, example_inputs, path, **names):
        changed = copy.deepcopy(module)
        if path.name == file:
            with torch.no_grad():
                for parameter in changed.parameters():
                    parameter += 0.02
        write(changed, example_inputs, path, **names)

    monkeypatch.setattr(export, "write", write_of_other_weights)
    with pytest.raises(ValueError, match="onnxruntime's logits differ from the model's by up to"):
        export_onnx(str(tmp_path))
    assert not (tmp_path / "onnx").exists()
