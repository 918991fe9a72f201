# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from fresh_process import run, without
from test_export import make

from hf_attention._extras import EXTRAS
from hf_attention.hub import OnnxTranslator, export_onnx


def test_a_translator_used_wrongly(tmp_path):
    make(tmp_path)
    with pytest.raises(ValueError, match="holds no encoder_model.onnx. `scripts/export_onnx.py` writes it"):
        OnnxTranslator(str(tmp_path))
    export_onnx(str(tmp_path))
    with pytest.raises(ValueError, match="holds no encoder_model.onnx. It is in .*onnx: give that"):
        OnnxTranslator(str(tmp_path))
    with pytest.raises(ValueError, match="`max_length` .*got 1"):
        OnnxTranslator(str(tmp_path / "onnx")).generate(np.array([[5]]), np.array([[1]]), max_length=1)


def test_without_pytorch_and_what_extras_bring(tmp_path):
    model = make(tmp_path)
    absent = {name for names in EXTRAS.values() for name in names}
    absent -= {"yaml", "google.protobuf"}  # transformers and onnx need them themselves
    ids = [[5, 6, 2], [7, 8, 2]]
    code = f"""
import numpy as np
from hf_attention.hub import OnnxTranslator
ids = np.array({ids})
print(OnnxTranslator({str(tmp_path / "onnx")!r}).generate(ids, np.ones_like(ids))[0].tolist())
"""
    # the export itself needs the extra `onnx` alone
    export = f"from hf_attention.hub import export_onnx; export_onnx({str(tmp_path)!r})"
    run(without(absent - set(EXTRAS["onnx"])) + export)
    expected = model.generate(input_ids=torch.tensor(ids), num_beams=1)
    assert run(without((absent | {"torch"}) - {"onnxruntime"}) + code) == str(expected.tolist())
