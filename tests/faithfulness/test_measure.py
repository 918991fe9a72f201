# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from datasets import Dataset
from small_image_models import LinearClassifier, LinearConfig, make_compact, make_images, make_processor, make_vit
from small_text_models import SENTENCES, make_bahdanau
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from hf_attention.faithfulness import Faithfulness, Score, measure_faithfulness
from hf_attention.faithfulness.measure import image_examples, with_random_weights


REMOVAL = {"comprehensiveness", "sufficiency", "deletion", "insertion", "insertion_minus_deletion", "saco"}
REMOVAL |= {"loo_correlation", "violation"}


def test_texts(text_model, tokenizer):
    rows = {"source": SENTENCES, "target": ["dcba", "ab", "abc"], "alignment": [[[0, 1, 3, 4]], [], []]}
    result = measure_faithfulness(text_model, tokenizer, Dataset.from_dict(rows))
    assert result.kind == "text" and result.num_examples == 3
    assert set(result.scores) >= {"attention", "integrated gradients", "random", "leave-one-out"}
    row = result.scores["attention"]
    assert set(row) == {"alignment_error", "randomized"} | {f"{a}_{b}" for a in REMOVAL for b in ("mask", "unknown")}
    assert row["alignment_error"].count == 1 and row["saco_mask"].count == 3
    assert set(result.ablation) == {"own", "uniform"}
    assert result.scores["leave-one-out"]["saco_mask"].mean == pytest.approx(1)
    assert result.scores["leave-one-out"]["violation_mask"].mean == 0


def test_targets_are_generated_if_there_are_none(tokenizer):
    torch.manual_seed(0)
    model = make_bahdanau(len(tokenizer))
    result = measure_faithfulness(model, tokenizer, SENTENCES, methods=["attention"], randomize=False)
    assert set(result.scores) == {"attention", "random", "leave-one-out"}


@pytest.mark.parametrize("make", [make_compact, make_vit, lambda: LinearClassifier(LinearConfig())])
def test_images(make):
    model = make()
    training = model.training
    boxes = [[2, 2, 8, 8]] * 3
    images = Dataset.from_list([{"image": image, "box": box} for image, box in zip(make_images(), boxes)])
    result = measure_faithfulness(model, make_processor(), images, other_models=[model])
    assert result.kind == "image"
    assert {"integrated gradients", "random", "center blob", "leave-one-out"} <= set(result.scores)
    assert set(result.scores["gradient"]) >= {"pointing", "coverage", "randomized", "seeds", "saco_blur", "saco_mean"}
    if not isinstance(model, LinearClassifier):  # whose gradient is 0 for class 0
        assert result.scores["gradient"]["seeds"].mean == pytest.approx(1)
    assert 0 <= result.scores["gradient"]["randomized"].mean <= 1
    assert ("uniform" in result.ablation) == (not isinstance(model, LinearClassifier))
    assert model.training == training


def test_a_linear_classifier_is_explained_by_its_weights():
    """The effect of a pixel is its weight times its distance from the baseline, for the mean about its gradient."""
    torch.manual_seed(0)
    model = LinearClassifier(LinearConfig())
    torch.nn.init.normal_(model.weight, std=0.2)
    result = measure_faithfulness(model, make_processor(), make_images(24), randomize=False)
    assert result.best == "integrated gradients"
    assert result.beats_controls("integrated gradients")
    assert result.headline("random") < result.headline("integrated gradients") / 2


def test_the_global_state_of_random_numbers_is_kept():
    model = make_compact()
    state = torch.random.get_rng_state()
    others = [with_random_weights(model, seed=3) for _ in range(2)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(others[0].classifier.weight, others[1].classifier.weight)
    assert not torch.equal(others[0].classifier.weight, model.classifier.weight)


def test_errors(tokenizer):
    model = make_bahdanau(len(tokenizer))
    with pytest.raises(ValueError, match="`data` is empty"):
        measure_faithfulness(model, tokenizer, [])
    with pytest.raises(ValueError, match="`methods` has 'attn'; choose from attention"):
        measure_faithfulness(model, tokenizer, SENTENCES, methods=["attn"])
    with pytest.raises(ValueError, match="is not an encoder-decoder"):
        measure_faithfulness(make_compact(), tokenizer, SENTENCES)
    with pytest.raises(ValueError, match="is not an image classifier"):
        measure_faithfulness(model, make_processor(), make_images())
    with pytest.raises(ValueError, match="position 1, which is not a text"):
        measure_faithfulness(model, tokenizer, ["ab", " "])
    with pytest.raises(ValueError, match="No example of `data` has a target with tokens to explain"):
        measure_faithfulness(model, tokenizer, Dataset.from_dict({"source": ["ab"], "target": [""]}))
    with pytest.raises(ValueError, match="no self-attention"):
        measure_faithfulness(model, tokenizer, SENTENCES, methods=["attention rollout"])


def test_models_without_probabilities_are_errors():
    with pytest.raises(ValueError, match="predicts numbers"):
        measure_faithfulness(make_compact(problem_type="regression"), make_processor(), make_images())
    with pytest.raises(ValueError, match="has one class"):
        measure_faithfulness(make_compact(num_labels=1), make_processor(), make_images())


def test_labels_of_one_image_are_independent():
    model, processor = make_compact(problem_type="multi_label_classification"), make_processor()
    (example,) = image_examples(model, processor, make_images(1))
    with torch.no_grad():
        logits = model(example.pixel_values[None]).logits[0]
    kept = example.predict(np.ones((1, example.cells.size), dtype=bool), "blur")
    assert kept.item() == pytest.approx(logits.max().sigmoid().item())


def test_images_of_other_modes_are_converted():
    color = make_images(1)[0]
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    modes = [color.convert(mode) for mode in ("L", "RGBA", "RGB")]
    examples = image_examples(make_vit(num_channels=3), processor, modes)
    assert [example.image.mode for example in examples] == ["RGB"] * 3
    assert torch.equal(examples[1].pixel_values, examples[2].pixel_values)


def test_a_map_that_fails_is_named(caplog):
    measure_faithfulness(make_compact(), make_processor(), make_images(2), randomize=False)
    assert "Maps that the model does not have: windows (" in caplog.text


def test_a_single_example_proves_nothing():
    result = make_result(gradient=0.9, random=0.0)
    result.scores["gradient"] = row(0.9, float("nan"))
    assert result.verdict().startswith("Caution: ")


def row(mean, error=0.01):
    return {f"insertion_minus_deletion_{name}": Score(mean, error, 9) for name in ("blur", "mean")}


def make_result(**means):
    scores = {name.replace("_", " "): row(mean) for name, mean in means.items()}
    return Faithfulness("model", "image", 9, scores, {"own": Score(0.9, 0.01, 9)}, ("blur", "mean"))


def test_verdict_names_the_best_map_and_those_that_fail():
    result = make_result(gradient=0.2, rollout=0.11, pool=0.4, center_blob=0.1, random=0.0)
    assert result.best == "pool"
    assert result.verdict().startswith("The best map is *pool*")
    assert result.verdict().endswith("These do not: rollout.")


def test_verdict_is_a_caution_where_nothing_beats_the_controls():
    result = make_result(gradient=0.12, rollout=0.0, center_blob=0.1, random=0.0)
    assert result.verdict().startswith("Caution: ")


def test_table_shows_the_worst_too_and_marks_the_controls():
    lines = make_result(gradient=0.2, rollout=-0.3, random=0.0).to_markdown().splitlines()
    assert lines[0] == "| map | insertion - deletion, blur ↑ | insertion - deletion, mean ↑ |"
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| gradient", "| (random)", "| rollout"]
    assert "-0.300 ± 0.010" in lines[4]
    assert lines[-1] == "Probability of the explained outputs: 0.900 ± 0.010 with own attention."


def test_results_are_saved_and_loaded(tmp_path):
    result = make_result(gradient=0.2, random=0.0)
    result.save(tmp_path / "faithfulness.json")
    assert Faithfulness.load(tmp_path / "faithfulness.json") == result
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match="other.json is not a result"):
        Faithfulness.load(tmp_path / "other.json")


def test_score_is_a_mean_with_its_standard_error():
    score = Score.of([1.0, 2.0, None, 3.0])
    assert score == Score(2.0, pytest.approx(1 / 3**0.5), 3)
    assert str(score) == "2.000 ± 0.577"
    assert Score.of([None]) is None
