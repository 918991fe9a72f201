# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import copy

import pytest
import torch
from transformers import DataCollatorForSeq2Seq, MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.data.tokenizer import train_tokenizer
from hf_attention.models.bahdanau import generation_bahdanau
from hf_attention.training.translation_trainer import TranslationTrainer


@pytest.mark.parametrize("num_items_in_batch", [None, 7])
@pytest.mark.parametrize("is_ours", [True, False])
def test_labels_are_smoothed_as_by_the_trainer(is_ours, num_items_in_batch, tmp_path):
    torch.manual_seed(0)
    ids = {"vocab_size": 20, "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1}
    if is_ours:
        sizes = {"embedding_size": 6, "hidden_size": 8, "encoder_hidden_size": 4, "attention_size": 5}
        model = BahdanauForConditionalGeneration(BahdanauConfig(**ids, bos_token_id=1, **sizes))
    else:
        sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "dropout": 0.0}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        model = MarianMTModel(MarianConfig(**ids, **sizes, **heads, encoder_ffn_dim=8, decoder_ffn_dim=8))
    labels = torch.tensor([[5, 6, 2], [7, 2, -100]])
    inputs = {
        "input_ids": torch.tensor([[3, 4, 2], [9, 2, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
        "labels": labels,
        "decoder_input_ids": model.prepare_decoder_input_ids_from_labels(labels=labels),
    }
    options = {"output_dir": str(tmp_path), "label_smoothing_factor": 0.3, "report_to": "none", "use_cpu": True}
    losses = []
    for trainer in (Seq2SeqTrainer, TranslationTrainer):
        trainer = trainer(model=model, args=Seq2SeqTrainingArguments(**options))
        losses.append(trainer.compute_loss(model.train(), dict(inputs), num_items_in_batch=num_items_in_batch))
    torch.testing.assert_close(*losses)
    assert trainer.label_names == ["labels"]
    assert trainer.label_smoother is not None


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A tokenizer, to pad with."""
    return train_tokenizer(["a b c d e f g h i j"] * 9, vocab_size=16, model_type="char")


def make_trainer(folder, reader, **options):
    """Of a model that learns to copy three tokens, in 160 steps without dropout."""
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    sizes = {"embedding_size": 24, "hidden_size": 32, "encoder_hidden_size": 16, "attention_size": 16}
    model = BahdanauForConditionalGeneration(
        BahdanauConfig(vocab_size=12, maxout_size=16, dropout=0.0, **sizes, **ids)
    )
    model.generation_config.update(max_length=6)
    rows = [[*row, 2] for row in torch.randint(3, 12, (256, 3)).tolist()]
    data = [{"input_ids": row, "attention_mask": [1] * 4, "labels": row} for row in rows]
    options = {"predict_with_generate": True, "max_steps": 160, "learning_rate": 2e-2, "logging_steps": 40} | options
    options |= {"output_dir": str(folder), "report_to": "none", "use_cpu": True, "disable_tqdm": True}
    ema_decay = options.pop("ema_decay", None)
    arguments = Seq2SeqTrainingArguments(per_device_train_batch_size=32, save_strategy="no", **options)
    collator = DataCollatorForSeq2Seq(reader, model=model)
    return TranslationTrainer(
        model, arguments, train_dataset=data, eval_dataset=data[:24], data_collator=collator, ema_decay=ema_decay
    )


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("bf16", [False, True])
def test_evaluation_searches_as_the_model_does(bf16, num_beams, reader, tmp_path, monkeypatch):
    """In mixed precision too, where accelerate has wrapped the model's forward."""
    trainer = make_trainer(tmp_path, reader, bf16=bf16)
    trainer.train()
    autocast = []
    for name in ("greedy_search", "beam_search"):
        search = getattr(generation_bahdanau, name)
        monkeypatch.setattr(
            generation_bahdanau,
            name,
            lambda *given, search=search: autocast.append(torch.is_autocast_enabled("cpu")) or search(*given),
        )
    wrapper = vars(trainer.model).get("forward")
    assert (wrapper is not None) == bf16
    output = trainer.predict(trainer.eval_dataset, num_beams=num_beams)
    assert autocast == [bf16] * 3  # one search for each batch
    assert vars(trainer.model).get("forward") is wrapper

    # the same weights in a model that accelerate has not wrapped, on the same batches
    model = BahdanauForConditionalGeneration(trainer.model.config).eval()
    model.load_state_dict(trainer.model.state_dict())
    model.generation_config = trainer.model.generation_config
    ids = torch.tensor([row["input_ids"] for row in trainer.eval_dataset])
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        generated = [model.generate(batch, num_beams=num_beams).tolist() for batch in ids.split(8)]
    expected = [row + [0] * (6 - len(row)) for batch in generated for row in batch]
    assert output.predictions.tolist() == expected
    assert len({tuple(row) for row in expected}) > 1

    monkeypatch.setattr(TranslationTrainer, "prediction_step", Seq2SeqTrainer.prediction_step)
    monkeypatch.setattr(type(trainer.model), "can_search", lambda *_: False)
    slow = trainer.predict(trainer.eval_dataset, num_beams=num_beams)
    assert len(autocast) == 3 + 3  # those of `model.generate` above
    assert output.metrics["test_loss"] == pytest.approx(slow.metrics["test_loss"], rel=0.02 if bf16 else 1e-6)
    if not bf16:  # in bfloat16, the loops of transformers round differently
        assert slow.predictions.tolist() == expected


@pytest.mark.parametrize("bf16", [False, True])
def test_compiled_training_has_the_same_losses(bf16, reader, tmp_path, monkeypatch):
    losses, searched = [], []
    search = generation_bahdanau.greedy_search
    monkeypatch.setattr(generation_bahdanau, "greedy_search", lambda *given: searched.append(1) or search(*given))
    for compiled in (False, True):
        torch.compiler.reset()
        options = {"torch_compile": True, "torch_compile_backend": "eager"} if compiled else {}
        trainer = make_trainer(tmp_path, reader, bf16=bf16, max_steps=4, logging_steps=1, **options)
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
        losses[-1].append(trainer.predict(trainer.eval_dataset).metrics["test_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-2 if bf16 else 1e-4)
    assert len(losses[0]) == 5
    assert len(searched) == 6


def test_training_goes_on_in_mixed_precision_after_an_evaluation(reader, tmp_path):
    states = []
    for strategy in ("no", "steps"):
        trainer = make_trainer(tmp_path, reader, bf16=True, max_steps=6, eval_strategy=strategy, eval_steps=2)
        trainer.train()
        states.append(copy.deepcopy(trainer.model.state_dict()))
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_the_averaged_weights_are_evaluated_and_saved(reader, tmp_path):
    """The average is what generates, and what is left in the model; tied weights stay one."""
    trainer = make_trainer(tmp_path, reader, max_steps=40, ema_decay=0.9)
    trainer.train()
    averaged = copy.deepcopy(trainer.model.state_dict())
    plain = make_trainer(tmp_path, reader, max_steps=40)
    plain.train()
    assert not torch.equal(averaged["lm_head.weight"], plain.model.state_dict()["lm_head.weight"])
    trainer.save_model(str(tmp_path / "saved"))
    saved = BahdanauForConditionalGeneration.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(dict(saved.state_dict()), dict(averaged), rtol=0, atol=0)
