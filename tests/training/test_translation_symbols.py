# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import csv
import json

import pytest
from huggingface_hub import ModelCard
from small_runs import SMALL
from train_translation import train
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, EvalPrediction, pipeline

from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.prediction.translator import Translator
from hf_attention.training.translation_scores import can_have_bleu, compute_metrics, leading_metrics


WORDS = ["cat", "act", "tact", "at", "taca", "pact", "apt", "tap"]
SOUNDS = {"c": "K", "a": "AE1", "t": "T", "p": "Pʰ"}


def pronounce(word, separator=" "):
    return separator.join(SOUNDS[letter] for letter in word)


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    file = tmp_path_factory.mktemp("lexicon") / "words.tsv"
    lines = [f"{word}\t{pronounce(word)}" for word in WORDS]
    file.write_text("\n".join(["word\tpron", *lines]) + "\n")
    columns = ["--source_lang", "word", "--target_lang", "pron"]
    return [*columns, "--train_file", str(file), "--test_file", str(file), "--validation_file", str(file), *SMALL]


@pytest.fixture(scope="module")
def folder(lexicon, tmp_path_factory):
    """A short run, whose predictions have sounds."""
    folder = tmp_path_factory.mktemp("symbols") / "run"
    arguments = ["--target_separator", " ", "--max_steps", "30", "--learning_rate", "1e-2", "--warmup_steps", "2"]
    arguments += ["--config_overrides", "embedding_size=16,hidden_size=32,attention_size=16,maxout_size=16"]
    train([*lexicon, *arguments, "--output_dir", str(folder)])
    return folder


def test_letters_and_sounds_have_a_vocabulary_each(folder):
    source = AutoTokenizer.from_pretrained(folder)
    target = AutoTokenizer.from_pretrained(folder, subfolder="target_tokenizer")
    assert set(source.get_vocab()) - set(source.all_special_tokens) == set(SOUNDS)
    assert set(target.get_vocab()) - set(target.all_special_tokens) == set(SOUNDS.values())
    config = AutoConfig.from_pretrained(folder)
    assert (config.encoder_vocab_size, config.vocab_size) == (8, 8)
    assert json.loads((folder / "training_args.json").read_text())["target_separator"] == " "
    # one step per letter or sound, and the end
    assert len(source("tact").input_ids) == len(target(pronounce("tact")).input_ids) == 5


def test_every_way_to_predict_joins_the_symbols(folder):
    with open(folder / "predictions.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    predicted = {row["source"]: row["prediction"] for row in rows}
    expected = [predicted[word] for word in WORDS]
    assert {symbol for text in expected for symbol in text.split(" ")} <= {*SOUNDS.values()}
    assert any(" " in text for text in expected)
    translator = pipeline("translation-with-alignment", model=str(folder))
    results = [result[0] for result in translator(WORDS)]
    assert [result["translation_text"] for result in results] == expected
    assert results[0]["target_tokens"] == [*expected[0].split(" "), "</s>"]
    batch = Translator.from_pretrained([str(folder)]).translate(WORDS)
    assert [translations[0].text for translations in batch] == expected


def test_results_and_card_have_the_metrics_of_symbols(folder):
    results = json.loads((folder / "all_results.json").read_text())
    assert results["test_word_error_rate"] == 1 - results["test_exact_match"]
    assert not {f"test_{name}" for name in ("bleu", "chrf", "character_error_rate")} & set(results)
    card = (folder / "README.md").read_text()
    names = ("symbol_error_rate", "exact_match", "word_error_rate")
    rows = [f"| {name.replace('_', ' ')} | {results[f'test_{name}']:.4f} |" for name in names]
    assert "\n".join(rows) in card
    assert ModelCard(card).data.eval_results[0].metric_type == "symbol_error_rate"
    assert "BLEU" not in card


def test_the_metrics_of_symbols_count_symbols():
    tokenizer = train_tokenizer(["AH0 K", "T"], separator=" ")
    ids = tokenizer(["AH0 K T", "K", "T"], padding=True, return_tensors="np").input_ids
    output = EvalPrediction(predictions=ids, label_ids=None)
    scores = compute_metrics(output, tokenizer, ["AH0 T", "K", "K T"], "13a")
    assert scores == {"exact_match": 1 / 3, "symbol_error_rate": 2 / 5, "word_error_rate": 1 - 1 / 3}


def test_bleu_is_computed_where_it_fits():
    words, sentence = ["sat", "U.S.A.-1"], "the cat sat down"
    char, bpe = (train_tokenizer([*words, sentence] * 9, 40, kind) for kind in ("char", "bpe"))
    assert [can_have_bleu([*words, "dog", "cow"], "13a", tokenizer) for tokenizer in (char, bpe)] == [False, True]
    assert can_have_bleu([sentence], "13a", char)
    assert can_have_bleu(words, "char", char)
    assert not can_have_bleu([sentence], "13a", train_tokenizer([sentence], separator=" "))
    assert [leading_metrics(tokenizer)[0] for tokenizer in (char, bpe)] == ["exact_match", "bleu"]


def test_fine_tuning_keeps_the_separator(folder, lexicon, tmp_path):
    before = json.loads((folder / "all_results.json").read_text())["test_symbol_error_rate"]
    arguments = ["--model_name_or_path", str(folder), "--max_steps", "1", "--learning_rate", "0", *lexicon]
    assert train([*arguments, "--output_dir", str(tmp_path / "child")])["test_symbol_error_rate"] == before
    with pytest.raises(ValueError, match="`target_separator` is for a new tokenizer, but the run uses that of"):
        train([*arguments, "--target_separator", "|", "--output_dir", str(tmp_path / "other")])


def test_source_and_target_with_the_same_separator_share_a_vocabulary(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("source,target\n" + "a1/b2,b2/a1\nc3/a1,a1/c3\n" * 8)
    arguments = ["--train_file", str(file), *SMALL, "--source_separator", "/", "--target_separator", "/"]
    arguments += [
        "--tokenizer_type",
        "char",
        "--extra_tokens",
        "<x>",
        "<y>",
        "--max_steps",
        "1",
        "--output_dir",
        str(tmp_path / "run"),
    ]
    train(arguments)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    assert set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens) == {"a1", "b2", "c3", "<x>", "<y>"}
    assert AutoConfig.from_pretrained(tmp_path / "run").encoder_vocab_size is None
    assert not (tmp_path / "run" / "target_tokenizer").exists()


def test_a_tab_may_be_spelled_as_in_a_shell(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"source": word, "target": pronounce(word, "\t")}) + "\n" for word in WORDS))
    arguments = ["--train_file", str(file), *SMALL, "--target_separator", r"\t", "--tokenizer_type", "word"]
    train([*arguments, "--max_steps", "1", "--output_dir", str(tmp_path / "run")])
    target = AutoTokenizer.from_pretrained(tmp_path / "run", subfolder="target_tokenizer")
    assert target.init_kwargs["separator"] == "\t"
    assert AutoTokenizer.from_pretrained(tmp_path / "run").init_kwargs["tokenizer_type"] == "word"
    assert AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "run").config.vocab_size == len(target)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--source_separator", ""], "`source_separator` is empty"),
        (["--target_separator", " ", "--model_type", "marian"], "`marian` has one vocabulary"),
        (["--target_separator", r"\t", "--normalization", "nfkc"], r"`separator` is '\\t', which is empty or changed"),
        (["--target_separator", " ", "--metric_for_best_model", "bleu"], "is bleu, but the targets have separators"),
        (["--metric_for_best_model", "symbol_error_rate"], "is symbol_error_rate, but the targets have no separators"),
        (["--extra_tokens", "<s>"], "`extra_tokens` has '<s>', which is empty or already a special token"),
    ],
)
def test_options_that_do_not_fit_are_errors(lexicon, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        train([*lexicon, *arguments, "--max_steps", "1", "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
