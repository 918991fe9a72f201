# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_onnx_models import make_recurrent_model
from subprocess_utils import hide_modules, run_code
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerFast

from hf_attention._extras import EXTRAS
from hf_attention.data.dates import load_dates
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.hub import OnnxTranslator, export_onnx
from hf_attention.hub.folder import list_shared
from hf_attention.hub.folder_checks import check_code
from hf_attention.hub.onnx_translator import encode, load_tokenizer


TEXTS = ["4. März 2005", "2031년 12월 25일", "<en_US> 3/4/05", "", " two  spaces ", "a </s> b<pad>", "ｶﾞ①é"]


@pytest.fixture(scope="module")
def exported(small_run, tmp_path_factory) -> Path:
    """The ONNX files of a trained model."""
    folder = tmp_path_factory.mktemp("onnx")
    export_onnx(str(small_run[0]), str(folder), quantize=True)
    return folder


def translate_with_pytorch(folder: Path, texts: list[str]) -> list[str]:
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    return tokenizer.batch_decode(model.generate(**batch, num_beams=1), skip_special_tokens=True)


def test_the_exported_file_translates_without_pytorch_transformers_and_the_package(small_run, exported):
    texts = TEXTS[:3]
    code = f"import sys; sys.path.insert(0, {str(exported)!r}); from onnx_translator import OnnxTranslator, main\n"
    code += f"print(OnnxTranslator({str(exported)!r}).translate({texts!r}))\nmain({texts!r})"
    absent = {"torch", "transformers", "hf_attention", "huggingface_hub", "onnx", "safetensors"}
    expected = translate_with_pytorch(small_run[0], texts)
    assert len(set(expected)) > 1 or expected[0]
    assert run_code(hide_modules(absent) + code).splitlines() == [str(expected), *expected]


def test_the_command_reads_lines_from_standard_input(small_run, exported):
    command = [sys.executable, str(exported / "onnx_translator.py"), "--max_length", "8"]
    result = subprocess.run(command, input="4. März 2005\n", capture_output=True, encoding="utf-8")
    expected = OnnxTranslator(exported).translate(["4. März 2005"], max_length=8)
    assert result.stdout.splitlines() == expected, result.stderr


def test_the_command_names_missing_files(tmp_path):
    shutil.copy(sys.modules[OnnxTranslator.__module__].__file__, tmp_path)
    result = subprocess.run(
        [sys.executable, str(tmp_path / "onnx_translator.py"), "a"], capture_output=True, encoding="utf-8"
    )
    assert result.returncode == 1
    assert result.stderr.startswith("onnx_translator.py: ")
    assert "holds no encoder_model.onnx" in result.stderr


def check_encodings(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
    texts = [*TEXTS, *load_dates(1, 1, 50)["test"]["source"]]
    expected = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="np")
    ids, attention_mask = encode(load_tokenizer(folder), texts)
    assert ids.tolist() == expected["input_ids"].tolist()
    assert attention_mask.tolist() == expected["attention_mask"].tolist()
    outputs = [row[mask == 1].tolist() for row, mask in zip(ids, attention_mask)]
    decoded = load_tokenizer(folder).decode_batch(outputs, skip_special_tokens=True)
    assert decoded == tokenizer.batch_decode(outputs, skip_special_tokens=True)


@pytest.mark.parametrize(
    "options", [{"model_type": kind} for kind in ("unigram", "bpe", "char", "word")] + [{"separator": "."}]
)
def test_texts_are_encoded_as_by_the_models_tokenizer(options, tmp_path):
    texts = load_dates(300, 1, 1)["train"]["source"]
    tokenizer = train_tokenizer(texts, vocab_size=300, extra_tokens=["<en_US>"], **options)
    check_encodings(tokenizer, tmp_path)


def test_a_tokenizer_that_pads_on_the_left_and_truncated_before(tmp_path):
    tokenizer = train_tokenizer(load_dates(300, 1, 1)["train"]["source"], model_type="char")
    tokenizer.padding_side = "left"
    tokenizer.split_special_tokens = False
    tokenizer("a long text", truncation=True, max_length=3, padding="max_length")  # which tokenizer.json remembers
    check_encodings(tokenizer, tmp_path)


def test_the_target_may_have_a_tokenizer_of_its_own(tmp_path):
    model = make_recurrent_model(tmp_path)
    source, target = (train_tokenizer(texts, model_type="char") for texts in (["abcdefg"], ["uvwxyz"]))
    source.save_pretrained(tmp_path)
    target.save_pretrained(tmp_path / "target_tokenizer")
    with torch.no_grad():  # so that it predicts letters alone
        model.lm_head.bias[:5] = model.lm_head.bias[len(target) :] = -1e4
    model.save_pretrained(tmp_path)
    export_onnx(str(tmp_path))
    batch = source(["abc", "defga"], padding=True, return_tensors="pt", return_token_type_ids=False)
    expected = target.batch_decode(model.generate(**batch, num_beams=1), skip_special_tokens=True)
    translator = OnnxTranslator(tmp_path / "onnx")
    assert translator.translate(["abc", "defga"]) == expected
    assert any(expected)
    # the next export is of a model with one tokenizer
    shutil.rmtree(tmp_path / "target_tokenizer")
    export_onnx(str(tmp_path))
    assert OnnxTranslator(tmp_path / "onnx").target_tokenizer is None


def test_the_generation_config_is_read_as_transformers_reads_it(tmp_path):
    make_recurrent_model(tmp_path)
    export_onnx(str(tmp_path))
    file = tmp_path / "onnx" / "generation_config.json"
    read = []
    for config in (
        {"bos_token_id": 1, "eos_token_id": 2},
        {"bos_token_id": 1, "eos_token_id": [2, 5], "pad_token_id": 0, "decoder_start_token_id": 3, "max_length": 9},
    ):
        file.write_text(json.dumps(config))
        translator = OnnxTranslator(tmp_path / "onnx")
        read.append((translator.decoder_start_token_id, translator.eos_token_ids, translator.pad_token_id))
        ids = np.array([[5, 6]])
        assert translator.generate(ids, np.ones_like(ids))[0].shape[1] <= translator.max_length
        read.append(translator.max_length)
    assert read == [(1, [2], 2), 20, (3, [2, 5], 0), 9]


def test_the_exported_files_are_published_and_their_code_is_checked(small_run, exported, tmp_path):
    folder = shutil.copytree(small_run[0], tmp_path / "run", ignore=shutil.ignore_patterns("checkpoint-*"))
    shutil.copytree(exported, folder / "onnx")
    expected = {"onnx/encoder_model_quantized.onnx", "onnx/onnx_translator.py", "onnx/tokenizer.json"}
    assert expected <= set(list_shared(str(folder))[0])
    check_code(str(folder), trust_remote_code=False)
    with open(folder / "onnx" / "onnx_translator.py", "a") as code:
        code.write("print(1)\n")
    with pytest.raises(ValueError, match=r"differs from the installed plugin: onnx_translator.py"):
        check_code(str(folder), trust_remote_code=False)


def test_a_folder_without_models_is_an_error(tmp_path):
    make_recurrent_model(tmp_path)
    with pytest.raises(ValueError, match="holds no encoder_model.onnx. `scripts/export_onnx.py` writes it"):
        OnnxTranslator(tmp_path)
    export_onnx(str(tmp_path))
    with pytest.raises(ValueError, match="holds no encoder_model.onnx. It is in .*onnx: pass that folder"):
        OnnxTranslator(tmp_path)


def test_a_length_without_a_step_and_a_missing_tokenizer_are_errors(tmp_path):
    make_recurrent_model(tmp_path)
    export_onnx(str(tmp_path))
    translator = OnnxTranslator(tmp_path / "onnx")
    with pytest.raises(ValueError, match="`max_length` .*got 1"):
        translator.generate(np.array([[5]]), np.array([[1]]), max_length=1)
    with pytest.raises(ValueError, match=r"holds no tokenizer.json"):
        translator.translate(["a"])


def test_export_needs_the_extra_onnx_alone(tmp_path):
    model = make_recurrent_model(tmp_path)
    absent = {name for names in EXTRAS.values() for name in names}
    absent -= {"yaml", "google.protobuf"}  # transformers and onnx need them themselves
    export = f"from hf_attention.hub import export_onnx; export_onnx({str(tmp_path)!r})"
    run_code(hide_modules(absent - set(EXTRAS["onnx"])) + export)
    ids = np.array([[5, 6, 2], [7, 8, 2]])
    expected = model.generate(input_ids=torch.tensor(ids), num_beams=1)
    assert OnnxTranslator(tmp_path / "onnx").generate(ids, np.ones_like(ids))[0].tolist() == expected.tolist()
