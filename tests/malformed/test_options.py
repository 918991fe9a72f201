# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Invalid options of both recipes: refused in words that name the option and the value, before any work."""

import sys

import pytest
from small_runs import SMALL, SMALL_VISION
from train_image_classification import train as train_images
from train_translation import train as train_translation

from hf_attention import BahdanauConfig, CompactVitConfig
from hf_attention._command_line import errors_in_one_line
from hf_attention.training.command_line import parse, parse_overrides
from hf_attention.training.image_arguments import IMAGE_ARGUMENTS
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


BOTH = [pytest.param(TRANSLATION_ARGUMENTS, id="translation"), pytest.param(IMAGE_ARGUMENTS, id="images")]


def refuse(dataclasses, arguments, folder):
    with pytest.raises(ValueError) as error:
        parse(dataclasses, [*arguments, "--output_dir", str(folder / "run")])
    assert not (folder / "run").exists()
    return str(error.value)


MARIAN = ["--model_type", "marian", "--config_overrides"]
SIZES = "d_model=16,encoder_layers=1,decoder_layers=1,encoder_ffn_dim=8,decoder_ffn_dim=8"
MARIAN += [f"{SIZES},max_position_embeddings=16"]
NUMBERS = [
    ("--learning_rate", "nan", "`learning_rate` must be at least 0 and at most 100, got nan."),
    ("--learning_rate", "inf", "`learning_rate` must be at least 0 and at most 100, got inf."),
    ("--learning_rate", "1e30", "`learning_rate` must be at least 0 and at most 100, got 1e+30."),
    ("--learning_rate=-0.1", None, "`learning_rate` must be at least 0 and at most 100, got -0.1."),
    ("--weight_decay", "nan", "`weight_decay` must be at least 0 and finite, got nan"),
    ("--weight_decay", "inf", "`weight_decay` must be at least 0 and finite, got inf."),
    ("--adam_beta1", "1", "`adam_beta1` must be at least 0 and less than 1, got 1.0."),
    ("--adam_beta2", "nan", "`adam_beta2` must be at least 0 and less than 1, got nan."),
    ("--adam_epsilon=-1e-8", None, "`adam_epsilon` must be at least 0, got -1e-08."),
    ("--max_grad_norm", "nan", "`max_grad_norm` must be at least 0 and finite, got nan."),
    ("--label_smoothing_factor", "2", "`label_smoothing_factor` must be at least 0 and less than 1, got 2.0."),
    ("--label_smoothing_factor", "-0.5", "`label_smoothing_factor` must be at least 0 and less than 1, got -0.5."),
    ("--label_smoothing_factor", "nan", "`label_smoothing_factor` must be at least 0 and less than 1, got nan."),
    ("--warmup_steps", "nan", "`warmup_steps` must be at least 0 and finite, got nan."),
    ("--warmup_steps", "1.5", "`warmup_steps` must be a whole number, or a share of all steps below 1, got 1.5."),
    ("--num_train_epochs", "nan", "`num_train_epochs` must be at least 0 and finite, got nan."),
    ("--num_train_epochs", "inf", "`num_train_epochs` must be at least 0 and finite, got inf."),
    ("--num_train_epochs", "0", "`num_train_epochs` 0 trains nothing: set it above 0, or set `max_steps`."),
    ("--max_steps", "0", "`max_steps` 0 trains nothing: set it to 1 or more, or leave it out."),
    ("--max_steps", "-5", "`max_steps` must be at least -1, got -5."),
    ("--max_steps", "2.5", "--max-steps: invalid int value: '2.5'"),
    ("--max_steps", "", "--max-steps: invalid int value: ''"),
    ("--per_device_train_batch_size", "0", "`per_device_train_batch_size` must be at least 1, got 0."),
    ("--per_device_eval_batch_size", "0", "`per_device_eval_batch_size` must be at least 1, got 0."),
    ("--per_device_eval_batch_size", "-1", "`per_device_eval_batch_size` must be at least 1, got -1."),
    ("--gradient_accumulation_steps", "0", "`gradient_accumulation_steps` must be at least 1, got 0."),
    ("--eval_accumulation_steps", "0", "`eval_accumulation_steps` must be at least 1, got 0."),
    ("--eval_delay", "nan", "`eval_delay` must be at least 0 and finite, got nan."),
    ("--logging_steps", "0", "`logging_steps` must be greater than 0, got 0.0."),
    ("--logging_steps", "nan", "`logging_steps` must be greater than 0 and finite, got nan."),
    ("--save_steps", "-1", "`save_steps` must be greater than 0, got -1.0."),
    ("--save_steps", "0", "`save_steps` must be greater than 0, got 0.0."),
    ("--eval_steps", "2.5", "`eval_steps` must be a whole number, or a share of all steps below 1, got 2.5."),
    ("--save_total_limit", "0", "`save_total_limit` must be at least 1, got 0."),
    ("--early_stopping_patience", "0", "`early_stopping_patience` must be at least 1, got 0."),
    ("--seed", "-1", "`seed` must be at least 0 and at most 4294967295, got -1."),
    ("--seed", "99999999999", "`seed` must be at least 0 and at most 4294967295, got 99999999999."),
    ("--data_seed", "-1", "`data_seed` must be at least 0 and at most 4294967295, got -1."),
    ("--dataloader_num_workers", "-1", "`dataloader_num_workers` must be at least 0 and at most 1024, got -1."),
    (
        "--dataloader_num_workers",
        "1000000",
        "`dataloader_num_workers` must be at least 0 and at most 1024, got 1000",
    ),
    ("--dataloader_prefetch_factor", "0", "`dataloader_prefetch_factor` must be at least 1, got 0."),
    ("--neftune_noise_alpha", "nan", "`neftune_noise_alpha` must be at least 0 and finite, got nan."),
    ("--torch_empty_cache_steps", "0", "`torch_empty_cache_steps` must be at least 1, got 0."),
    ("--ddp_timeout", "0", "`ddp_timeout` must be at least 1 and at most 1000000000, got 0."),
    ("--max_train_samples", "0", "`max_train_samples` must be at least 1, got 0."),
    ("--max_eval_samples", "-3", "`max_eval_samples` must be at least 1, got -3."),
]
NAMES = [
    ("--eval_strategy", "foo", "--eval-strategy: invalid choice: 'foo'"),
    ("--lr_scheduler_type", "foo", "--lr-scheduler-type: invalid choice: 'foo'"),
    ("--optim", "foo", "--optim: invalid choice: 'foo'"),
    (
        "--hub_strategy",
        "foo",
        "`hub_strategy` must be one of end, every_save, checkpoint, all_checkpoints, got",
    ),
    ("--log_level", "foo", "--log-level: invalid choice: 'foo'"),
    ("--report_to", "foo", "`report_to` 'foo' is unknown or not installed; there are all, none"),
    ("--torch_compile_mode", "foo", "`torch_compile_mode` must be one of default, reduce-overhead, "),
    ("--torch_compile_backend", "foo", "`torch_compile_backend` must be one of no, eager, "),
    ("--train_sampling_strategy", "foo", "'foo'"),
    ("--metric_for_best_model", "foo", "`metric_for_best_model` must be one of loss, "),
    ("--metric_for_best_model", "", "`metric_for_best_model` is empty. Leave it out for the default (None)."),
    ("--run_name", "", "`run_name` is empty."),
    ("--model_name_or_path", "", "`model_name_or_path` is empty."),
    ("--dataset_name", "", "`dataset_name` is empty."),
    ("--train_file", "", "`train_file` is empty."),
    ("--bf16", "maybe", "Truthy value expected: got maybe"),
    ("--learninrate", "1", "Unknown arguments: --learninrate (did you mean --learning_rate?), 1."),
    ("--model_type", "bahdanu", "transformers has no model type 'bahdanu'; did you mean 'bahdanau'?"),
    ("--lr_scheduler_kwargs", "{min_lr: 1}", "`lr_scheduler_kwargs` is not valid JSON ("),
    ("--eval_do_concat_batches", "false", "`eval_do_concat_batches` must be True in this recipe, got False."),
    ("--batch_eval_metrics", "true", "`batch_eval_metrics` must be False in this recipe, got True."),
    ("--prediction_loss_only", "true", "`prediction_loss_only` must be False in this recipe, got True."),
    ("--label_names", "foo", "`label_names` must be None in this recipe, got ['foo']."),
    ("--length_column_name", "foo", "`length_column_name` must be length in this recipe, got 'foo'."),
    ("--dataloader_persistent_workers", "true", "needs workers: set `dataloader_num_workers` above 0."),
    ("--load_best_model_at_end", "true", "`load_best_model_at_end` compares evaluations; set `eval_strategy`"),
    ("--save_strategy", "best", "`save_strategy` `best` compares evaluations; set `eval_strategy`"),
]


@pytest.mark.parametrize("dataclasses", BOTH)
@pytest.mark.parametrize("name, value, words", NUMBERS + NAMES)
def test_options_of_both_recipes(tmp_path, dataclasses, name, value, words):
    arguments = [name] if value is None else [name, value]
    assert words in refuse(dataclasses, arguments, tmp_path)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--generation_num_beams", "0"], "`generation_num_beams` must be at least 1 and at most 1000, got 0."),
        (["--generation_max_length", "-3"], "`generation_max_length` must be at least 2, got -3."),
        (["--num_beams", "-1"], "`num_beams` must be at least 1 and at most 1000, got -1."),
        (["--num_beams", "1000000"], "`num_beams` must be at least 1 and at most 1000, got 1000000."),
        (["--max_source_length", "0"], "`max_source_length` must be at least 2, got 0."),
        (["--max_target_length", "1"], "`max_target_length` must be at least 2, got 1."),
        (["--vocab_size", "0"], "`vocab_size` must be at least 1, got 0."),
        (["--tokenizer_type", "words"], "`tokenizer_type` must be one of unigram, bpe, char, word, got 'words'."),
        (["--normalization", "nfd"], "`normalization` must be one of nfc, nfkc, none, got 'nfd'."),
        (["--remove_unused_columns", "false"], "`remove_unused_columns` must be True in this recipe, got False."),
        (["--source_lang", ""], "`source_lang` is empty."),
        (["--metric_for_best_model", "bleu", "--predict_with_generate", "false"], "must be one of loss, got 'bleu'."),
        (["--metric_for_best_model", "accuracy"], "`metric_for_best_model` must be one of loss, bleu, chrf, "),
    ],
)
def test_options_of_the_translation_recipe(tmp_path, arguments, words):
    assert words in refuse(TRANSLATION_ARGUMENTS, arguments, tmp_path)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--validation_share", "-0.1"], "`validation_share` must be at least 0 and less than 1, got -0.1."),
        (["--validation_share", "nan"], "`validation_share` must be at least 0 and less than 1, got nan."),
        (["--validation_share", "1"], "`validation_share` must be at least 0 and less than 1, got 1.0."),
        (["--mixup_alpha", "nan"], "`mixup_alpha` must be at least 0 and finite, got nan."),
        (["--cutmix_alpha", "-1"], "`cutmix_alpha` must be at least 0, got -1.0."),
        (["--cutmix_probability", "1.5"], "`cutmix_probability` must be at least 0 and at most 1, got 1.5."),
        (["--small_image_size", "24"], "`small_image_size` and `small_epochs` belong together: set both or neither"),
        (["--small_image_size", "0"], "`small_image_size` must be at least 1, got 0."),
        (["--mix_epochs", "nan"], "`mix_epochs` must be at least 0 and finite, got nan."),
        (["--ema_decay", "1"], "`ema_decay` must be greater than 0 and less than 1, got 1.0."),
        (["--ema_decay", "nan"], "`ema_decay` must be greater than 0 and less than 1, got nan."),
        (["--crop_scale", "0.5"], "`crop_scale` must be two shares of the area, least and most, got [0.5]."),
        (
            ["--crop_scale", "0.9", "0.5"],
            "`crop_scale` must be two shares of the area, least and most, got [0.9,",
        ),
        (["--crop_scale", "0.5", "nan"], "`crop_scale` must be greater than 0 and at most 1, got nan."),
        (["--crop_mode", "top"], "`crop_mode` must be one of center, border, squash, got 'top'."),
        (["--rotation_degrees", "200"], "`rotation_degrees` must be at least 0 and at most 180, got 200.0."),
        (["--class_weights", "even"], "`class_weights` must be one of none, balanced, got 'even'."),
        (["--test_time_augmentation", "crop"], "`test_time_augmentation` must be one of none, flip, got 'crop'."),
        (["--muon_learning_rate", "-0.02"], "`muon_learning_rate` must be at least 0 and at most 100, got -0.02."),
        (
            ["--muon_learning_rate", "0.02", "--optim", "sgd"],
            "`muon_learning_rate` is for Muon and AdamW: leave out `optim` 'sgd'.",
        ),
        (["--freeze"], "`freeze` keeps what `model_name_or_path` has learned, but no model is named."),
        (
            ["--balanced_sampling", "--train_sampling_strategy", "sequential"],
            "`balanced_sampling` draws images at random: leave out `train_sampling_strategy` 'sequential'.",
        ),
        (["--crop_padding", "-1"], "`crop_padding` must be at least 0, got -1."),
        (["--horizontal_flip", "2"], "`horizontal_flip` must be at least 0 and at most 1, got 2.0."),
        (["--random_erasing", "nan"], "`random_erasing` must be at least 0 and at most 1, got nan."),
        (["--randaugment_ops", "-1"], "`randaugment_ops` must be at least 0 and at most 100, got -1."),
        (
            ["--randaugment_magnitude", "10"],
            "`randaugment_magnitude` must be greater than 0 and less than 10, got 10",
        ),
        (["--randaugment_std", "inf"], "`randaugment_std` must be at least 0 and finite, got inf."),
        (["--image_mean", "nan"], "`image_mean` must be at least 0 and at most 1, got nan."),
        (["--image_std", "0.5", "0"], "`image_std` must be greater than 0, got 0.0."),
        (["--remove_unused_columns", "true"], "`remove_unused_columns` must be False in this recipe, got True."),
        (["--train_sampling_strategy", "group_by_length"], "must be random or sequential, got 'group_by_length'."),
        (
            ["--metric_for_best_model", "bleu"],
            "exact_match, mae, rmse, got 'bleu'.",
        ),
    ],
)
def test_options_of_the_image_recipe(tmp_path, arguments, words):
    assert words in refuse(IMAGE_ARGUMENTS, arguments, tmp_path)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("latin.yaml", "run_name: sch\xf6n\n".encode("latin-1"), "latin.yaml is not in UTF-8 ('utf-8' codec"),
        ("utf16.json", '{"seed": 1}'.encode("utf-16"), "utf16.json is not in UTF-8"),
        ("cut.json", b'{"seed": 1', "cut.json is not valid JSON: Expecting"),
        ("cut.yaml", b"train_file: [a, b\n", "cut.yaml is not valid YAML: while parsing a flow sequence"),
        ("colon.yaml", b"run_name: a: b\n", "colon.yaml is not valid YAML: mapping values are not allowed here"),
        ("tab.yaml", b"seed:\t1\n\tmax_steps: 3\n", "tab.yaml is not valid YAML: "),
        ("object.yaml", b"run_name: !!python/object:os.system x\n", "object.yaml is not valid YAML: could not"),
        ("deep.json", b"[" * 100_000, "deep.json is not valid JSON: "),
        ("empty.yaml", b"", "empty.yaml must hold options, one a line"),
        ("list.json", b"[1]", "list.json must hold options, one a line"),
        ("twice.yaml", b"seed: 1\nseed: 2\n", "twice.yaml is not valid YAML: seed is set 2 times."),
        ("twice.json", b'{"seed": 1, "seed": 2}', "twice.json is not valid JSON: seed is set 2 times."),
        (
            "unknown.yaml",
            b"learning_rates: 1\n3: 4\n",
            "unknown.yaml has unknown options: 3, learning_rates (did you",
        ),
        ("nan.json", b'{"learning_rate": NaN}', "`learning_rate` must be at least 0 and at most 100, got nan."),
        ("minus.yaml", b"learning_rate: -1e-3\n", "`learning_rate` must be at least 0 and at most 100, got -0.001."),
        ("bool.yaml", b"max_steps: true\n", "--max-steps: invalid int value: 'True'"),
        ("values.yaml", b"seed: [1, 2]\n", "Unknown arguments: 2."),
        ("nothing.yaml", b"train_file: []\n", "--train-file: expected at least one argument"),
    ],
)
def test_recipe_files(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    assert words in refuse(TRANSLATION_ARGUMENTS, [str(tmp_path / name)], tmp_path)


@pytest.mark.parametrize(
    "content, option, value",
    [
        (b"\xef\xbb\xbfseed: 7\n", "seed", 7),  # with a byte order mark
        (b"save_strategy: no\n", "save_strategy", "no"),  # which YAML reads as false
        (b"run_name: -x\n", "run_name", "-x"),
        (b"seed: 7\r\n", "seed", 7),
        (b"max_train_samples: null\n", "max_train_samples", None),
    ],
)
def test_recipe_files_that_are_read(tmp_path, content, option, value):
    (tmp_path / "recipe.yaml").write_bytes(content)
    parts = parse(TRANSLATION_ARGUMENTS, [str(tmp_path / "recipe.yaml"), "--output_dir", str(tmp_path)])
    (result,) = [getattr(part, option) for part in parts if hasattr(part, option)]
    assert result == value


@pytest.mark.parametrize(
    "config, overrides, words",
    [
        (BahdanauConfig(), "hidden_size=8,hidden_size=16", "`config_overrides` sets `hidden_size` twice."),
        (BahdanauConfig(), "encoder_layers=1,num_hidden_layers=2", "sets `num_hidden_layers` twice."),
        (BahdanauConfig(), "hiden_size=8", "BahdanauConfig has no option hiden_size; did you mean hidden_size?"),
        (BahdanauConfig(), "to_dict=3", "BahdanauConfig has no option to_dict"),
        (BahdanauConfig(), "model_type=bart", "BahdanauConfig has no option model_type"),
        (
            BahdanauConfig(),
            "hidden_size",
            "`config_overrides` is `option=value,option=value`, but 'hidden_size'",
        ),
        (BahdanauConfig(), "hidden_size=", "'' is not a valid value for `hidden_size`"),
        (BahdanauConfig(), "hidden_size=big", "'big' is not a valid value for `hidden_size`"),
        (BahdanauConfig(), "hidden_size=true", "'true' is not a valid value for `hidden_size`"),
        (BahdanauConfig(), "dropout=.nan", "'.nan' is not a valid value for `dropout`"),
        (BahdanauConfig(), "dropout=nan", "'nan' is not a valid value for `dropout`"),
        (BahdanauConfig(), "dropout=-.inf", "'-.inf' is not a valid value for `dropout`"),
        (BahdanauConfig(), "tie_word_embeddings=maybe", "'maybe' is not a valid value for `tie_word_embeddings`"),
        (BahdanauConfig(), "hidden_size=[8", "'[8' is not a valid value for `hidden_size`"),
        (CompactVitConfig(), "hidden_size={a: 1}", "'{a: 1}' is not a valid value for `hidden_size`"),
        (CompactVitConfig(), "num_labels=3", "`num_labels` comes from the tokenizer or the data"),
    ],
)
def test_config_overrides(config, overrides, words):
    with pytest.raises(ValueError) as error:
        parse_overrides(config, overrides, ["num_labels"])
    assert words in str(error.value)


@pytest.mark.parametrize(
    "train, arguments, words",
    [
        (train_translation, ["--optim_args", "momentum"], "`optim` 'adamw_torch_fused' with `optim_args` 'momentum'"),
        (train_translation, ["--optim_args", "eps=1e-6,momentum=0.9"], "`eps` has no effect on `optim` 'adamw_torch"),
        (train_images, ["--optim", "sgd", "--optim_args", "momentum=0.9,speed=2"], "`speed` has no effect on `optim`"),
        (train_images, ["--optim", "sgd", "--optim_args", "momentum=fast"], "could not convert string to float"),
        (train_translation, ["--lr_scheduler_kwargs", '{"speed": 1}'], "argument 'speed'"),
        (train_translation, ["--lr_scheduler_kwargs", "speed"], "`lr_scheduler_kwargs` 'speed', cannot be used"),
        (
            train_translation,
            ["--lr_scheduler_type", "cosine_with_min_lr"],
            "One of min_lr or min_lr_rate should be",
        ),
        (train_translation, [*MARIAN, "--max_source_length", "17"], "but the model has 16 positions"),
        (train_images, ["--lr_scheduler_type", "warmup_stable_decay"], "num_decay_steps"),
        (train_images, ["--optim", "lomo"], "`optim` 'lomo' with `optim_args` None"),
    ],
)
def test_what_only_the_trainer_finds_is_found_before_training(tmp_path, train, arguments, words):
    """In particular before the checkpoints of the run that is to be overwritten are removed."""
    kept = tmp_path / "checkpoint-1" / "config.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    small = SMALL if train is train_translation else SMALL_VISION
    arguments = [*small, *arguments, "--overwrite_output_dir", "--output_dir", str(tmp_path)]
    with pytest.raises(ValueError) as error:
        train(arguments)
    assert words in str(error.value)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [kept]


def test_a_mistake_of_the_user_is_one_line_without_debug(monkeypatch):
    with pytest.raises(SystemExit, match=r"^train\.py: two lines$"), errors_in_one_line("train.py", []):
        raise ValueError("two\n  lines")
    message = r"^train\.py: .*hidden_size.*-4"
    with pytest.raises(SystemExit, match=message), errors_in_one_line("train.py", []):
        BahdanauConfig(hidden_size=-4)
    with pytest.raises(SystemExit, match="^train.py: No module named"), errors_in_one_line("train.py", []):
        __import__("nothing")
    with pytest.raises(ValueError, match="why"), errors_in_one_line("train.py", ["--debug"]):
        raise ValueError("why")
    monkeypatch.setattr(sys, "argv", ["train.py", "--debug"])
    with pytest.raises(OSError, match="where"), errors_in_one_line("train.py"):
        raise OSError("where")


def test_ctrl_c_is_one_line_without_debug(capsys):
    with pytest.raises(SystemExit) as ended, errors_in_one_line("train.py", []):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "train.py: stopped by Ctrl-C.\n"
    with pytest.raises(KeyboardInterrupt), errors_in_one_line("train.py", ["--debug"]):
        raise KeyboardInterrupt


def test_a_fault_of_the_code_keeps_its_traceback():
    with pytest.raises(TypeError), errors_in_one_line("train.py", []):
        raise TypeError("internal")


@pytest.mark.parametrize("dataclasses", BOTH)
def test_debug_has_a_value_or_none(tmp_path, dataclasses):
    arguments = ["--output_dir", str(tmp_path), "--debug"]
    assert parse(dataclasses, arguments)[2].debug == []
    assert parse(dataclasses, [*arguments, "underflow_overflow"])[2].debug == ["underflow_overflow"]
