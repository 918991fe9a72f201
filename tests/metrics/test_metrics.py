# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import evaluate
import pytest
import sacrebleu

from hf_attention.metrics import (
    Accuracy,
    AlignmentError,
    Bleu,
    ChrF,
    Coverage,
    ErrorRate,
    ExactMatch,
    MacroF1,
    TopFiveAccuracy,
)


TEXTS = {"predictions": ["the cat sat on the mat .", "a dog"], "references": ["the cat sat on a mat .", "a dog"]}


def test_bleu_and_chrf_are_sacrebleus():
    scores = Bleu().compute(**TEXTS)
    assert scores["bleu"] == sacrebleu.corpus_bleu(TEXTS["predictions"], [TEXTS["references"]]).score
    assert "tok:13a" in scores["signature"]
    assert "tok:char" in Bleu().compute(**TEXTS, tokenize="char")["signature"]
    assert ChrF().compute(**TEXTS)["chrf"] == sacrebleu.corpus_chrf(TEXTS["predictions"], [TEXTS["references"]]).score


def test_lowercase_and_word_order():
    predictions, references = TEXTS["predictions"], [TEXTS["references"]]
    upper = {**TEXTS, "predictions": [text.upper() for text in predictions]}
    assert Bleu().compute(**upper)["bleu"] < 50
    expected = sacrebleu.corpus_bleu(predictions, references).score
    scores = Bleu().compute(**upper, lowercase=True)
    assert scores["bleu"] == pytest.approx(expected)
    assert "case:lc" in scores["signature"]
    for order in (1, 2):
        expected = sacrebleu.corpus_chrf(predictions, references, word_order=order).score
        assert ChrF().compute(**TEXTS, word_order=order)["chrf"] == expected != ChrF().compute(**TEXTS)["chrf"]


def test_exact_match_ignores_outer_white_space():
    assert ExactMatch().compute(**TEXTS)["exact_match"] == 0.5
    assert ExactMatch().compute(predictions=[" a "], references=["a"])["exact_match"] == 1


def test_one_of_several_references_is_enough():
    references = [["read", "reed"], ["red"]]
    assert ExactMatch().compute(predictions=["reed", "rad"], references=references)["exact_match"] == 0.5
    # 0 errors in 4 characters, 1 in 3
    scores = ErrorRate().compute(predictions=["reed", "rad"], references=references)
    assert scores == {"character_error_rate": pytest.approx(1 / 7)}


def edit_distance(first, second):
    """Wagner and Fischer's recurrence."""
    rows = list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        diagonal, rows[0] = rows[0], i
        for j, right in enumerate(second, start=1):
            diagonal, rows[j] = rows[j], min(rows[j] + 1, rows[j - 1] + 1, diagonal + (left != right))
    return rows[-1]


@pytest.mark.parametrize(
    "unit, options, split",
    [
        ("character", {}, list),
        ("word", {}, str.split),
        ("symbol", {}, str.split),
        ("symbol", {"separator": "-"}, lambda text: text.split("-")),
    ],
)
def test_error_rates_are_edits_over_length(unit, options, split):
    predictions = ["K AE-1 T S", "D AO1-G", "a b-a b-a"]
    references = ["K AE1-T", "D AO1-G", "b a-b"]
    scores = ErrorRate().compute(predictions=predictions, references=references, unit=unit, **options)
    pairs = [(split(prediction), split(reference)) for prediction, reference in zip(predictions, references)]
    errors = sum(edit_distance(*pair) for pair in pairs)
    assert scores == {f"{unit}_error_rate": errors / sum(len(reference) for _, reference in pairs)}


def test_error_rates_of_nothing_are_errors():
    with pytest.raises(ValueError, match="All references are empty"):
        ErrorRate().compute(predictions=["a"], references=[""])
    with pytest.raises(ValueError, match="`unit` must be character, symbol or word, got 'phoneme'"):
        ErrorRate().compute(predictions=["a"], references=["a"], unit="phoneme")


def test_accuracy_is_the_share_of_correct_predictions():
    assert Accuracy().compute(predictions=[0, 1, 2, 2], references=[0, 1, 1, 2]) == {"accuracy": 0.75}


def test_alignment_error_by_hand():
    # A = {a, b, c}; S = {a}; P = {a, b}: 1 - (1 + 2) / (3 + 1)
    prediction, reference = [[0, 0], [1, 1], [2, 2]], {"sure": [[0, 0]], "possible": [[0, 0], [1, 1]]}
    assert AlignmentError().compute(predictions=[prediction], references=[reference]) == {"alignment_error": 0.25}
    # over a corpus the counts are summed; sure links are possible ones too
    second = {"sure": [[0, 1]], "possible": []}
    scores = AlignmentError().compute(predictions=[prediction, [[0, 1]]], references=[reference, second])
    assert scores["alignment_error"] == pytest.approx(1 - (3 + 2) / (4 + 2))
    only_possible = {"sure": [], "possible": [[0, 0], [1, 1]]}
    scores = AlignmentError().compute(predictions=[prediction], references=[only_possible])
    assert scores["alignment_error"] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no links"):
        AlignmentError().compute(predictions=[[]], references=[{"sure": [], "possible": []}])


def test_coverage_by_hand():
    full, left = [[1, 0, 0], [0, 1, 0]], [[0.5, 0, -0.5], [0, 1, 0]]
    right = [[0, -0.5, 0.5], [1, 0, 0]]  # turned by a right angle: it covers the same as if it were not
    boxes = [[-0.5, -0.5, 0.5, 0.5], [-1, 0, -0.5, 1]]
    compute = lambda *windows: Coverage().compute(predictions=list(windows), references=boxes)  # noqa: E731
    assert compute([full], [full]) == {"coverage": 1.0, "coverage_by_chance": 1.0}
    # the left half of the first box, all of the second; and all of the second, half of the first
    assert compute([left], [left]) == {"coverage": 0.75, "coverage_by_chance": 0.75}
    assert compute([right], [left]) == {"coverage": 0.75, "coverage_by_chance": 0.25}
    assert compute([left, right], [right, right])["coverage"] == 0.5  # together all; twice the same is once
    assert compute([[[0, 0, 0], [0, 0, 0]]], [left])["coverage"] == 0.5


def test_metrics_can_be_combined():
    combined = evaluate.combine([ExactMatch(), ChrF()])
    assert set(combined.compute(**TEXTS)) == {"exact_match", "chrf"}


def test_macro_f1_counts_rare_classes_as_much_as_frequent_ones():
    # class 0: precision 3/4, recall 1, F1 6/7; class 1: precision 1, recall 1/2, F1 2/3; class 3: predicted once, F1 0
    result = MacroF1().compute(predictions=[0, 0, 0, 0, 1, 3], references=[0, 0, 0, 1, 1, 1])
    f1 = (2 * 1 / (4 + 3) * 3, 2 * 1 / (1 + 3), 0)
    assert result == {"macro_f1": pytest.approx(sum(f1) / 3)}


def test_top_five_accuracy():
    predictions = [[5, 4, 3, 2, 1], [0, 1, 2, 3, 4], [9, 8, 7, 6, 5]]
    assert TopFiveAccuracy().compute(predictions=predictions, references=[1, 5, 9]) == {
        "top_5_accuracy": pytest.approx(2 / 3)
    }
