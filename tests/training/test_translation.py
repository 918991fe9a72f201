# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from small_runs import SMALL
from train_translation import train
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
)

from hf_attention import BahdanauForConditionalGeneration
from hf_attention.data.dates import load_dates
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.prediction.translator import Translator
from hf_attention.training import translation
from hf_attention.training.translation_scores import alignment_error, compute_metrics


SCRIPT = Path(__file__).parents[2] / "scripts" / "train_translation.py"


def weights(folder):
    return AutoModelForSeq2SeqLM.from_pretrained(folder).state_dict()


@pytest.fixture
def pairs(tmp_path):
    """A csv file of copied words, learnable and small."""
    words = ["eins", "zwei", "drei", "vier", "fuenf", "sechs"]
    lines = [f"{first} {second},{second} {first}" for first in words for second in words]
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(["de,en", *lines * 2]) + "\n")
    return [
        "--train_file",
        str(file),
        "--test_file",
        str(file),
        "--source_lang",
        "de",
        "--target_lang",
        "en",
        "--vocab_size",
        "60",
    ]


def test_a_run_leaves_a_complete_folder(small_run):
    folder, results = small_run
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md", "trainer_state.json"):
        assert (folder / name).is_file(), name
    assert results == json.loads((folder / "all_results.json").read_text())
    for split in ("eval", "test"):
        for metric in ("bleu", "chrf", "exact_match"):
            assert results[f"{split}_{metric}"] >= 0
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    error = alignment_error(model, tokenizer, None, load_dates(400, 40, 40)["test"], 40)
    assert results["test_alignment_error"] == pytest.approx(error)
    assert "eval_alignment_error" not in results
    assert results["epoch"] == pytest.approx(30 / 25)
    generation = GenerationConfig.from_pretrained(folder)
    assert (generation.pad_token_id, generation.bos_token_id) == (0, 1)
    # the oldest supported version writes a list
    assert generation.eos_token_id == ([2] if transformers.__version__.startswith("5.17.") else 2)
    assert generation.decoder_start_token_id == 1
    assert generation.num_beams == 2
    assert generation.max_length == 16


def test_the_predictions_of_the_test_split_are_written(small_run):
    folder, results = small_run
    lines = (folder / "predictions.tsv").read_text("utf-8").splitlines()
    assert lines[0] == "source\treference\tright\tprediction\tscore"
    rows = [line.split("\t") for line in lines[1:]]
    test = load_dates(400, 40, 40)["test"]
    assert [row[:2] for row in rows] == list(map(list, zip(test["source"], test["target"])))  # in the file's order
    assert sum(row[2] == "True" for row in rows) / len(rows) == results["test_exact_match"]
    assert all((row[1] == row[3]) == (row[2] == "True") for row in rows)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    translator = Translator(model, tokenizer)
    translations = translator.translate([row[0] for row in rows], num_beams=2)
    assert [row[3] for row in rows] == [candidates[0].text for candidates in translations]
    scores = [candidates[0].score for candidates in translations]
    assert [float(row[4]) for row in rows] == pytest.approx(scores, abs=1e-4)
    card = (folder / "README.md").read_text("utf-8")
    assert "The largest errors, by edit distance" in card
    assert any(f"<code>{row[3]}</code>" in card for row in rows if row[2] == "False")


def test_training_lowers_the_loss(small_run):
    folder, _ = small_run
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert losses[-1] < losses[0]


def test_resume_gives_the_weights_of_an_uninterrupted_run(small_run, tmp_path):
    folder, _ = small_run
    shutil.copytree(folder / "checkpoint-15", tmp_path / "run" / "checkpoint-15")
    # a newer checkpoint that was cut short is passed over
    broken = tmp_path / "run" / "checkpoint-20"
    shutil.copytree(folder / "checkpoint-15", broken)
    content = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(content[: len(content) // 2])
    recipe = str(folder.parent / "recipe.yaml")
    train([recipe, "--output_dir", str(tmp_path / "run"), "--resume_from_checkpoint", "last", *SMALL])
    for name, value in weights(folder).items():
        torch.testing.assert_close(weights(tmp_path / "run")[name], value, msg=name)


@pytest.mark.parametrize("separate", [[], ["--separate_vocabularies"]])
def test_resuming_keeps_the_tokenizers_of_the_checkpoint(pairs, separate, tmp_path):
    arguments = [*pairs, *separate, *SMALL, "--save_steps", "2", "--output_dir", str(tmp_path / "run")]
    train([*arguments, "--max_steps", "2"])
    names = ["tokenizer.json", *(["target_tokenizer/tokenizer.json"] if separate else [])]
    before = [(tmp_path / "run" / name).read_bytes() for name in names]
    with open(pairs[1], "a") as file:  # of which a tokenizer would be another
        file.write("neunundneunzig acht,acht neunundneunzig\n" * 40)
    train([*arguments, "--max_steps", "4", "--resume_from_checkpoint", "last"])
    assert [(tmp_path / "run" / name).read_bytes() for name in names] == before
    swapped = [{"de": "en", "en": "de"}.get(argument, argument) for argument in arguments]
    with pytest.raises(ValueError, match="source_lang de instead of en, target_lang en instead of de"):
        train([*swapped, "--max_steps", "6", "--resume_from_checkpoint", "last"])
    with pytest.raises(
        ValueError, match=r"checkpoint-4.config.json is of another model \(hidden_size 256 instead of 64"
    ):
        elsewhere = [*pairs, *separate, *SMALL, "--config_overrides", "hidden_size=64", "--output_dir"]
        train([*elsewhere, str(tmp_path / "b"), "--resume_from_checkpoint", str(tmp_path / "run" / "checkpoint-4")])


def test_resume_of_a_finished_run_trains_no_more(small_run, tmp_path):
    folder, results = small_run
    run = shutil.copytree(folder, tmp_path / "run")
    before = weights(run)
    arguments = [str(folder.parent / "recipe.yaml"), "--output_dir", str(run), *SMALL]
    again = train([*arguments, "--resume_from_checkpoint", "last"])
    assert json.loads((run / "trainer_state.json").read_text())["global_step"] == 30
    assert all(torch.equal(value, before[name]) for name, value in weights(run).items())
    assert again["train_loss"] == results["train_loss"]
    assert again["train_runtime"] == results["train_runtime"]


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_row_is_compared_with_its_own_reference(pairs, drop_last, tmp_path, monkeypatch):
    # three are alike as tokens, one source is empty and one longer than `max_source_length`
    texts = ["eins zwei", "e\u200bins zwei", "eins  zwei", "eins", "zwei", "drei vier fuenf"]
    rows = [*((text, text) for text in texts), ("", "vier"), ("sechs " * 70, "sechs")]
    (tmp_path / "test.csv").write_text("\n".join(["de,en", *map(",".join, rows)]) + "\n")
    seen, beams = [], []
    generate = BahdanauForConditionalGeneration.generate

    def record_beams(model, *args, **kwargs):
        beams.append(kwargs.get("num_beams"))
        return generate(model, *args, **kwargs)

    def record(prediction, tokenizer, references, **kwargs):
        assert sorted(references) == sorted(target for _, target in rows)
        assert set(beams) == {2}
        labels = [[token_id for token_id in row if token_id > 0] for row in prediction.label_ids.tolist()]
        seen.extend(zip(labels, tokenizer(references).input_ids, references))
        return compute_metrics(prediction, tokenizer, references, **kwargs)

    monkeypatch.setattr(translation, "rehearse", lambda *args: None)  # with other rows and beams
    monkeypatch.setattr(translation, "compute_metrics", record)
    monkeypatch.setattr(BahdanauForConditionalGeneration, "generate", record_beams)
    arguments = [*pairs, *SMALL, "--test_file", str(tmp_path / "test.csv"), "--per_device_eval_batch_size", "3"]
    arguments += ["--dataloader_drop_last", str(drop_last), "--max_steps", "1", "--output_dir", str(tmp_path / "run")]
    train(arguments)
    assert len({reference for *_, reference in seen}) == len(seen) == (6 if drop_last else 8)
    assert all(labels == expected for labels, expected, _ in seen)


def test_a_card_without_a_test_split(pairs, tmp_path):
    train_file, languages = pairs[:2], pairs[4:]
    arguments = [*train_file, *languages, *SMALL, "--max_steps", "2"]
    train([*arguments, "--validation_file", train_file[1], "--output_dir", str(tmp_path / "validated")])
    card = (tmp_path / "validated" / "README.md").read_text()
    assert "On the validation split of pairs.csv (40 pairs), decoded with greedy search" in card
    assert "| chrF |" in card
    assert "split: validation" in card
    assert "split: test" not in card
    train([*arguments, "--output_dir", str(tmp_path / "neither")])
    card = (tmp_path / "neither" / "README.md").read_text()
    assert "## Results" not in card
    assert "## How to use it" in card
    assert "alignment.png" in card


def test_a_card_lists_only_known_languages():
    assert translation.find_languages("de", "ckb") == ["de", "ckb"]
    assert translation.find_languages("pt_BR", "EN-us", "pt") == ["pt", "en"]
    assert translation.find_languages("source", "tgt", "src", "xx") == []


def test_every_evaluation_of_validation_pairs_searches_alike(small_run):
    folder, results = small_run
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    assert [entry["eval_chrf"] for entry in history if "eval_chrf" in entry][-1] == results["eval_chrf"]


def test_a_marian_model_is_trained_from_scratch(pairs, tmp_path):
    overrides = "d_model=16,encoder_layers=1,decoder_layers=1,encoder_attention_heads=2,decoder_attention_heads=2"
    overrides += ",encoder_ffn_dim=16,decoder_ffn_dim=16"
    arguments = ["--model_type", "marian", "--config_overrides", overrides, "--max_steps", "2", *SMALL, *pairs]
    results = train([*arguments, "--output_dir", str(tmp_path / "marian")])
    assert results["test_chrf"] >= 0
    config = AutoConfig.from_pretrained(tmp_path / "marian")
    assert config.model_type == "marian"
    assert config.d_model == 16
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "marian")
    assert config.vocab_size == config.decoder_vocab_size == len(tokenizer)
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (0, 2, 1)
    assert "marian" in (tmp_path / "marian" / "README.md").read_text()


def test_fine_tuning_starts_from_the_weights_of_the_model(small_run, tmp_path):
    folder, _ = small_run
    arguments = ["--model_name_or_path", str(folder), "--max_steps", "10", "--learning_rate", "1e-3", *SMALL]
    train([*arguments, "--output_dir", str(tmp_path / "child")])
    before, after = weights(folder), weights(tmp_path / "child")
    change = (before["lm_head.weight"] - after["lm_head.weight"]).abs().max()
    assert 0 < change < 0.1
    # a folder is not a name on the Hub
    assert "base_model" not in (tmp_path / "child" / "README.md").read_text()


def test_separate_vocabularies_are_saved_and_loaded_with_the_model(pairs, tmp_path):
    arguments = [*pairs, *SMALL, "--separate_vocabularies", "--config_overrides", "copy_mechanism=true"]
    train([*arguments, "--max_steps", "2", "--output_dir", str(tmp_path / "two")])
    config = AutoConfig.from_pretrained(tmp_path / "two")
    source = AutoTokenizer.from_pretrained(tmp_path / "two")
    target = AutoTokenizer.from_pretrained(tmp_path / "two", subfolder="target_tokenizer")
    assert config.encoder_vocab_size == len(source)
    assert config.vocab_size == len(target)
    sources = [index for index, copy in enumerate(config.source_to_target_ids) if copy >= 0]
    copied = [config.source_to_target_ids[index] for index in sources]
    assert len(config.source_to_target_ids) == len(source) and len(copied) > 4
    assert source.convert_ids_to_tokens(sources) == target.convert_ids_to_tokens(copied)
    # and again from a checkpoint
    parent = tmp_path / "two" / "checkpoint-2"
    arguments = ["--model_name_or_path", str(parent), "--max_steps", "2", *pairs[:-2], *SMALL]
    train([*arguments, "--output_dir", str(tmp_path / "three")])
    assert (tmp_path / "three" / "target_tokenizer" / "tokenizer.json").is_file()
    shutil.rmtree(parent / "target_tokenizer")
    with pytest.raises(ValueError, match="holds no tokenizer of the target in `target_tokenizer`"):
        train([*arguments, "--output_dir", str(tmp_path / "four")])


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char", "word"])
def test_streamed_pairs_train_with_every_tokenizer_type(pairs, tmp_path, kind):
    arguments = ["--streaming", "--max_steps", "3", "--tokenizer_type", kind, *pairs, *SMALL]
    assert "test_chrf" in train([*arguments, "--output_dir", str(tmp_path / "stream")])


def test_early_stopping_ends_a_run_with_smoothing_and_sampling(pairs, tmp_path):
    arguments = [*pairs, *SMALL, "--validation_file", pairs[1], "--output_dir", str(tmp_path / "run")]
    arguments += ["--max_steps", "40", "--label_smoothing_factor", "0.1", "--learning_rate", "1e-5"]
    arguments += ["--config_overrides", "scheduled_sampling_probability=0.3,dropout=0.1"]
    arguments += ["--eval_strategy", "steps", "--eval_steps", "2", "--save_steps", "2", "--save_total_limit", "9"]
    arguments += ["--load_best_model_at_end", "true"]
    arguments += ["--metric_for_best_model", "exact_match", "--early_stopping_patience", "2"]
    results = train(arguments)
    assert results["eval_exact_match"] == 0
    for checkpoint in (None, "last", str(tmp_path / "run" / "checkpoint-4")):  # one bad evaluation after the first
        if checkpoint is not None:
            train([*arguments, "--resume_from_checkpoint", checkpoint])
        assert json.loads((tmp_path / "run" / "trainer_state.json").read_text())["global_step"] == 6


def test_overrides_are_checked_together(pairs, tmp_path):
    overrides = "attention_type=dot,hidden_size=32,encoder_hidden_size=16,tie_word_embeddings=true,dropout=0.1"
    train([*pairs, *SMALL, "--config_overrides", overrides, "--max_steps", "1", "--output_dir", str(tmp_path / "run")])
    config = AutoConfig.from_pretrained(tmp_path / "run")
    assert config.encoder_hidden_size == 16
    assert config.dropout == 0.1
    assert config.tie_word_embeddings
    arguments = ["--model_name_or_path", str(tmp_path / "run"), "--config_overrides", "dropout=0.2"]
    with pytest.raises(ValueError, match="`config_overrides` and `preset` are for a new model"):
        train([*arguments, *pairs, *SMALL, "--output_dir", str(tmp_path / "out")])


def test_evaluation_alone_gives_the_metrics_of_the_run(small_run, tmp_path):
    folder, results = small_run
    arguments = ["--model_name_or_path", str(folder), "--do_train", "false", "--output_dir", str(tmp_path / "out")]
    again = train([*arguments, *SMALL])
    assert again["test_bleu"] == pytest.approx(results["test_bleu"])
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_evaluation_alone_leaves_the_metrics_of_a_run(small_run):
    folder, results = small_run
    with pytest.raises(ValueError, match="holds the metrics of a training run. Without `do_train`, name another"):
        train(["--model_name_or_path", str(folder), "--do_train", "false", "--output_dir", str(folder), *SMALL])
    assert json.loads((folder / "all_results.json").read_text()) == results


def test_targets_too_short_for_bleu_are_scored_without_it(pairs, tmp_path, caplog):
    arguments = [*pairs, *SMALL, "--validation_file", pairs[1], "--max_steps", "1", "--eval_strategy", "steps"]
    arguments += ["--eval_steps", "1", "--save_steps", "1", "--load_best_model_at_end", "true"]
    best = ["--metric_for_best_model", "bleu", "--output_dir", str(tmp_path / "run")]
    with pytest.raises(ValueError, match="No target of validation and test has the four tokens.*`chrf`"):
        train([*arguments, *best])
    assert not (tmp_path / "run").exists()
    results = train([*arguments, "--metric_for_best_model", "chrf", "--output_dir", str(tmp_path / "run")])
    assert "test_chrf" in results
    assert "test_bleu" not in results
    assert "eval_bleu" not in results
    assert "BLEU" not in (tmp_path / "run" / "README.md").read_text()
    assert "test_bleu" in train(
        [*arguments, *best[:2], "--bleu_tokenize", "char", "--output_dir", str(tmp_path / "c")]
    )


def test_a_tokenizer_that_pads_on_the_left_is_saved_padding_on_the_right(pairs, tmp_path):
    tokenizer = train_tokenizer(["eins zwei drei vier fuenf sechs"], 40, "char")
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    arguments = [*pairs[:-2], *SMALL, "--tokenizer_name", str(tmp_path / "tokenizer"), "--max_steps", "1"]
    train([*arguments, "--output_dir", str(tmp_path / "run")])
    assert AutoTokenizer.from_pretrained(tmp_path / "run").padding_side == "right"
    with pytest.raises(ValueError, match="`normalization` is for a new tokenizer, but .* Leave it out"):
        train([*arguments, "--normalization", "nfkc", "--output_dir", str(tmp_path / "other")])


def test_without_generation_only_the_loss_is_reported(small_run, tmp_path):
    arguments = ["--predict_with_generate", "false", "--max_steps", "1", "--output_dir", str(tmp_path / "run")]
    results = train([*arguments, *SMALL])
    assert "test_loss" in results
    assert "test_bleu" not in results


def test_an_empty_sentence_and_empty_alignments_are_accepted(tmp_path):
    rows = [{"source": "", "target": "x", "alignment": []}]
    rows += [{"source": f"a {letter}", "target": letter, "alignment": []} for letter in "bcdefghi"]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    arguments = ["--train_file", str(file), "--test_file", str(file), "--vocab_size", "40", "--max_steps", "2"]
    results = train([*arguments, *SMALL, "--output_dir", str(tmp_path / "run")])
    assert "test_chrf" in results
    assert "test_alignment_error" not in results
    assert (tmp_path / "run" / "README.md").is_file()


def test_an_output_folder_with_another_run_is_left_alone(small_run, tmp_path):
    folder, _ = small_run
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    with pytest.raises(ValueError, match="`output_dir` .* holds another run"):
        train(["--max_steps", "1", "--output_dir", str(folder), *SMALL])
    with pytest.raises(ValueError, match=r"is of another model \(hidden_size 128 instead of 64\)"):
        arguments = ["--config_overrides", "hidden_size=64", "--resume_from_checkpoint", "last", *SMALL]
        train([*arguments, "--output_dir", str(folder)])
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def test_an_overwritten_run_leaves_no_checkpoint_and_no_metrics(small_run, pairs, tmp_path):
    run = shutil.copytree(small_run[0], tmp_path / "run")
    (run / "checkpoint-best").mkdir()  # written by the user
    card = run / "README.md"
    card.write_text(card.read_text() + "\n## Notes\n\nMine.\n")
    arguments = [*pairs, *SMALL, "--max_steps", "1", "--save_strategy", "no", "--output_dir", str(run)]
    results = train([*arguments, "--overwrite_output_dir"])
    assert "eval_bleu" not in results
    assert not (run / "eval_results.json").exists()
    assert [folder.name for folder in run.glob("checkpoint-*")] == ["checkpoint-best"]
    assert "Mine." in card.read_text()
    assert "CLDR" not in card.read_text()
    with pytest.raises(ValueError, match="holds no complete checkpoint"):
        train([*arguments, "--resume_from_checkpoint", "last"])
    # a checkpoint of the same folder, trained on
    own = shutil.copytree(small_run[0], run / "checkpoint-7")
    arguments = [argument for argument in arguments if argument not in ("--vocab_size", "60")]
    train([*arguments, "--model_name_or_path", str(own), "--overwrite_output_dir"])
    assert own.is_dir()


def test_a_truncated_model_is_an_error(small_run, tmp_path):
    folder, _ = small_run
    shutil.copytree(folder, tmp_path / "cut")
    content = (tmp_path / "cut" / "model.safetensors").read_bytes()
    (tmp_path / "cut" / "model.safetensors").write_bytes(content[:-1000])
    with pytest.raises(ValueError, match="model.safetensors is truncated"):
        train(["--model_name_or_path", str(tmp_path / "cut"), "--output_dir", str(tmp_path / "out"), *SMALL])
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_with_more_tokens_than_the_model_is_an_error(small_run, pairs, tmp_path):
    folder, _ = small_run
    train([*pairs, *SMALL, "--max_steps", "1", "--output_dir", str(tmp_path / "words")])
    arguments = [*pairs[:-2], *SMALL, "--output_dir", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="The source tokenizer has .* tokens, the model"):
        train(["--model_name_or_path", str(tmp_path / "words"), "--tokenizer_name", str(folder), *arguments])


def test_fine_tuning_on_other_languages_updates_config_and_card(pairs, tmp_path):
    train([*pairs, *SMALL, "--max_steps", "1", "--output_dir", str(tmp_path / "words")])
    rows = [("de", "fr"), *[("eins", "zwei")] * 20]
    (tmp_path / "french.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    tuned = ["--model_name_or_path", str(tmp_path / "words"), *SMALL, "--max_steps", "1"]
    tuned += ["--train_file", str(tmp_path / "french.csv"), "--test_file", str(tmp_path / "french.csv")]
    train([*tuned, "--source_lang", "de", "--target_lang", "fr", "--output_dir", str(tmp_path / "french")])
    assert AutoConfig.from_pretrained(tmp_path / "french").target_lang == "fr"
    assert "trained from de to fr" in (tmp_path / "french" / "README.md").read_text()


def test_swapped_languages_are_an_error(pairs, tmp_path):
    train([*pairs, *SMALL, "--max_steps", "1", "--output_dir", str(tmp_path / "words")])
    swapped = [{"de": "en", "en": "de"}.get(argument, argument) for argument in pairs[:-2]]
    with pytest.raises(ValueError, match="translates de to en, but `source_lang` is en"):
        train(
            ["--model_name_or_path", str(tmp_path / "words"), *swapped, *SMALL, "--output_dir", str(tmp_path / "out")]
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--streaming"], "'dates' is in memory"),
        (["--preset", "huge"], "There is no preset 'huge'"),
        (["--config_overrides", "hiden_size=3"], "BahdanauConfig has no option hiden_size"),
        (["--config_overrides", "hidden_size"], "has no `=`"),
        (["--config_overrides", "hidden_size=big"], "'big' is not a valid value for `hidden_size`"),
        (["--model_type", "mairan"], "`model_type`: transformers has no model type 'mairan'; did you mean 'marian'?"),
        (["--config_overrides", "vocab_size=10"], "`vocab_size` comes from the tokenizer"),
        (["--config_overrides", "tie_word_embeddings=true,embedding_size=32"], "needs `embedding_size`"),
        (["--do_train", "false"], "a model must be named"),
        (["--model_type", "marian", "--preset", "tiny"], "`preset` is for `bahdanau`"),
        (["--model_type", "marian", "--separate_vocabularies"], "`marian` has one vocabulary"),
        (["--train_file", "gone.csv"], "There is no data file 'gone.csv'"),
        (["--train_file", "pairs.csv", "--dataset_name", "user/pairs"], "`dataset_name` is user/pairs, but files"),
        (["--source_lang", "en", "--target_lang", "en"], "`source_lang` and `target_lang` are both 'en'"),
        (["--tokenizer_type", "words"], "`tokenizer_type` must be one of unigram, bpe, char, word, got 'words'"),
        (["--vocab_size", "0"], "`vocab_size` must be at least 1, got 0"),
        (["--bleu_tokenize", "14a"], "`bleu_tokenize` must be one of .*13a.*, got '14a'"),
    ],
)
def test_invalid_arguments_are_named_in_the_error(tmp_path, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError, StrictDataclassError), match=message):
        train([*arguments, *SMALL, "--max_steps", "1", "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--num_beams", "--max_train_samples", "--max_eval_samples"])
def test_zero_is_an_error(tmp_path, option):
    with pytest.raises(ValueError, match=f"`{option[2:]}` must be at least 1( and at most 1000)?, got 0"):
        train([*SMALL, option, "0", "--output_dir", str(tmp_path / "out")])


@pytest.mark.skipif(find_spec("MeCab") is not None, reason="the tokenizer is installed")
def test_a_bleu_tokenizer_that_is_not_installed_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"`bleu_tokenize` 'ja-mecab' cannot be used: .* pip install sacrebleu\[ja\]"):
        train([*SMALL, "--bleu_tokenize", "ja-mecab", "--output_dir", str(tmp_path / "out")])


def test_options_of_a_new_model_are_an_error_in_fine_tuning(small_run, tmp_path):
    arguments = ["--model_name_or_path", str(small_run[0]), *SMALL, "--output_dir", str(tmp_path / "out")]
    for option, value in [("model_type", "marian"), ("tokenizer_type", "bpe"), ("vocab_size", "60")]:
        with pytest.raises(ValueError, match=f"`{option}`.* is for a new"):
            train([*arguments, f"--{option}", value])
