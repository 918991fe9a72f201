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
import numpy as np
import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

from hf_attention.interpret import align


TEXTS = ["4. März 2005", "2031년 12월 25일", "<en_US> 3/4/05"]


@pytest.fixture(scope="module")
def translator(small_run):
    return pipeline("translation-with-alignment", model=str(small_run[0]))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("options", [{"num_beams": 1}, {"num_beams": 3, "num_return_sequences": 2}], ids=str)
def test_same_as_align(small_run, translator, batch_size, options):
    folder, _ = small_run
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    expected = iter(align(model, tokenizer, TEXTS, batch_size=batch_size, **options))
    found = translator(TEXTS, batch_size=batch_size, **options)
    assert len(found) == 3
    for results in found:
        assert len(results) == options.get("num_return_sequences", 1)
        for result in results:
            alignment = next(expected)
            assert result["translation_text"] == alignment.target
            assert result["score"] == pytest.approx(alignment.score, abs=1e-4)
            assert result["source_tokens"] == alignment.source_tokens
            assert result["target_tokens"] == alignment.target_tokens
            np.testing.assert_allclose(result["weights"], alignment.weights, atol=1e-5)


def test_one_text_and_no_alignment(translator):
    result = translator(TEXTS[0], return_alignment=False)
    assert [set(item) for item in result] == [{"translation_text", "score"}]


@pytest.mark.parametrize("text", ["", "  ", 3])
def test_bad_text(translator, text):
    with pytest.raises(ValueError, match="must be a string that is not empty"):
        translator([text])
