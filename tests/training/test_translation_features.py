# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""A user's table with features of the sources, from training to a file of predictions."""

import json

import numpy as np
import pytest
import torch
from gradio_client import Client
from small_runs import SMALL
from train_translation import train
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline
from translate import translate

from hf_attention.data.features import FeatureCollator, collect_feature_values
from hf_attention.data.parallel import load_parallel, tokenize_pairs
from hf_attention.hub.smoke_test import compute_outputs
from hf_attention.interpret import align, launch_app
from hf_attention.prediction.translator import Translator


COLUMNS = ["--feature_columns", "tags", "speaker", "--source_lang", "word", "--target_lang", "form"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A word is doubled or reversed, as its tag says."""
    file = tmp_path_factory.mktemp("data") / "words.tsv"
    rows = [("word", "form", "tags", "speaker")]
    for word in ("eins", "zwei", "drei", "vier", "acht", "neun"):
        rows += [(word, word * 2, "V;TWICE", "a"), (word, word[::-1], "V; BACK", ""), (word, word, "", "b")]
    file.write_text("\n".join("\t".join(row) for row in rows) + "\n", "utf-8")
    return file


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tagged"
    files = ["--train_file", str(table), "--test_file", str(table)]
    train([*files, *COLUMNS, *SMALL, "--tokenizer_type", "char", "--max_steps", "4", "--output_dir", str(folder)])
    return folder


def test_the_features_of_the_data_are_in_the_config_the_predictions_and_the_card(run):
    config = json.loads((run / "config.json").read_text())
    assert config["feature_values"] == {"tags": ["BACK", "TWICE", "V"], "speaker": ["a", "b"]}
    header, first, second, *_ = (run / "predictions.tsv").read_text("utf-8").splitlines()
    assert header.split("\t") == ["source", "tags", "speaker", "reference", "right", "prediction", "score"]
    rows = {tuple(row.split("\t")[:3]) for row in (first, second)}
    assert all(tags in ("V;TWICE", "V;BACK", "") for _, tags, _ in rows)
    card = (run / "README.md").read_text("utf-8")
    assert '"tags": "' in card and 'model.encode_features([{"tags": ' in card
    assert "`feature_values`" in card


def test_the_check_before_publishing_gives_the_model_features(run):
    assert compute_outputs(str(run))["logits"].isfinite().all()


def test_a_file_with_the_columns_is_translated(run, table, tmp_path):
    output = tmp_path / "out.jsonl"
    translate([str(run), "--input_file", str(table), "--source_column", "word", "--output_file", str(output)])
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(run), AutoTokenizer.from_pretrained(run)
    for row in rows[:3]:
        batch = tokenizer([row["word"]], return_tensors="pt", return_token_type_ids=False)
        ids = model.generate(**batch, feature_ids=model.encode_features([row]))
        assert row["prediction"] == tokenizer.decode(ids[0], skip_special_tokens=True)
    lines = tmp_path / "words.txt"
    lines.write_text("eins\n")
    with pytest.raises(ValueError, match="reads the feature column speaker, tags, but .*words.txt has only source"):
        translate([str(run), "--input_file", str(lines), "--output_file", str(output), "--overwrite"])


@torch.no_grad()
def test_an_ensemble_and_the_alignments_read_them(run, caplog):
    rows = [{"tags": "V;BACK", "speaker": "b"}, {"tags": "V;NEW", "speaker": None}]
    translator = Translator.from_pretrained([str(run), str(run)], device="cpu")
    single = Translator.from_pretrained(str(run), device="cpu")
    results = [each.translate(["eins", "acht"], alignments=True, features=rows) for each in (translator, single)]
    assert "left out: NEW (tags)" in caplog.text
    for (double,), (alone,) in zip(*results):
        assert double.text == alone.text and double.score == pytest.approx(alone.score, rel=1e-4)
        np.testing.assert_allclose(double.weights, alone.weights, rtol=1e-4, atol=1e-6)
    alignments = align(single.model, single.tokenizer, ["eins", "acht"], features=rows)
    assert alignments[0].source_tokens[-3:] == ["speaker=b", "tags=V", "tags=BACK"]
    assert alignments[1].source_tokens[-1:] == ["tags=V"]
    for alignment, (alone,) in zip(alignments, results[1]):
        assert alignment.source_tokens == alone.source_tokens
        assert alignment.weights.shape[1] == len(alignment.source_tokens)
        np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="pass `features`, with speaker, tags for each"):
        single.translate(["eins"])


def test_the_pipeline_takes_them_with_the_text(run):
    translator = pipeline("translation-with-alignment", model=str(run))
    inputs = [{"text": "eins", "tags": "V;BACK", "speaker": "a"}, {"text": "neun", "tags": "", "speaker": ""}]
    single, *_ = translator(inputs[0])
    assert single["source_tokens"][-3:] == ["speaker=a", "tags=V", "tags=BACK"]
    batched = translator(inputs, batch_size=2)
    assert batched[0][0]["translation_text"] == single["translation_text"]
    np.testing.assert_allclose(batched[0][0]["weights"], single["weights"], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="pass {'text': '...', 'speaker': '...', 'tags': '...'}, got 'eins'"):
        translator("eins")


def test_the_app_has_a_field_for_each_column(run):
    server, url, _ = launch_app([str(run)], prevent_thread_lock=True, quiet=True)
    try:
        client = Client(url, verbose=False, download_files=False)
        translation, page = client.predict("eins", 2, "a", "V;BACK", api_name="/translate")
    finally:
        server.blocks.close()
    assert "speaker=a" in page and "tags=BACK" in page and isinstance(translation, str)


def test_a_model_is_fine_tuned_with_its_own_columns(run, table, tmp_path):
    arguments = ["--model_name_or_path", str(run), "--train_file", str(table), *SMALL, "--max_steps", "1"]
    arguments += ["--output_dir", str(tmp_path / "run")]
    train([*arguments, *COLUMNS])
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (run, tmp_path / "run"))
    assert before["feature_values"] == after["feature_values"]
    with pytest.raises(ValueError, match=r"`feature_columns` is \['tags'\], but the model reads .*'speaker', 'tags'"):
        train([*arguments, "--overwrite_output_dir", "true", "--feature_columns", "tags", *COLUMNS[3:]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [*COLUMNS[3:], "--feature_columns", "tag"],
            "There is no column tag; the columns are word, form, tags, speaker",
        ),
        ([*COLUMNS, "--model_type", "marian"], "`feature_columns` is for `bahdanau`; a `marian` has no features"),
        ([*COLUMNS, "--config_overrides", "feature_vocab_size=9"], "comes from the tokenizer or the data"),
        ([*COLUMNS, "--feature_separator", ""], "`feature_separator` is empty"),
    ],
)
def test_columns_that_cannot_be_read_are_named(table, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        train(["--train_file", str(table), *arguments, *SMALL, "--output_dir", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_the_dates_have_no_features(tmp_path):
    with pytest.raises(ValueError, match="the embedded dates have no features"):
        train(["--feature_columns", "tags", "--output_dir", str(tmp_path / "run")])


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_read_and_padded(run, tmp_path, streaming):
    file = tmp_path / "rows.jsonl"
    rows = [{"a": "eins", "b": "acht", "tags": ["V", "BACK"]}, {"a": "acht", "b": "eins", "tags": None}]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    data = load_parallel(None, None, {"train": [str(file)]}, "a", "b", streaming, ["tags"])["train"]
    assert [row["features"] for row in data] == [{"tags": "V;BACK"}, {"tags": ""}]
    values = collect_feature_values(data, ["tags"], ";")
    assert values == {"tags": ["BACK", "V"]}
    tokenizer = AutoTokenizer.from_pretrained(run)
    tokenized = list(tokenize_pairs(data, tokenizer, feature_values=values))
    names = ("input_ids", "attention_mask", "labels", "feature_ids")
    batch = FeatureCollator(tokenizer)([{name: row[name] for name in names} for row in tokenized])
    assert batch["feature_ids"].tolist() == [[2, 1], [0, 0]]
    with pytest.raises(ValueError, match="more has no value|There is no column more"):
        load_parallel(None, None, {"train": [str(file)]}, "a", "b", streaming, ["more"])


def test_a_folder_of_files_is_read_with_its_features(table):
    data = load_parallel(str(table.parent), None, None, "word", "form", feature_columns=["speaker"])
    assert data["train"][0]["features"] == {"speaker": "a"}
