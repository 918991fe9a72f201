# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hf_attention.data import tokenizer as module
from hf_attention.data.dates import load_dates
from hf_attention.data.tokenizer import train_tokenizer, warn_of_lost_texts
from hf_attention.training.command_line import parse
from hf_attention.training.translation_arguments import TRANSLATION_ARGUMENTS


@pytest.fixture(scope="module")
def texts():
    return [
        *load_dates(1500, 1, 1)["train"]["source"],
        "The cat sat on the mat, and the dog barked.",
        "나는 학교에 갑니다.",
        "Tôi đang học tiếng Việt ở trường.",
    ]


HARD = [
    "a\tb",
    "  two   spaces  ",
    "line\nbreak",
    "ﬁne ① ½",
    "zero\u200bwidth",
    "full　width　ＡＢＣ",
    "unseen: ⛄ 日本語 ħ",
    "d\u200f/M\u200f/y",
    "cafe\u0301",
    unicodedata.normalize("NFD", "학교에 갑니다."),
    unicodedata.normalize("NFD", "tiếng Việt ở trường"),
    "-> <b> < s>",
    "",
]


@pytest.mark.parametrize("normalization", ["nfc", "nfkc", "none"])
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_ids_are_sentencepieces(monkeypatch, texts, model_type, normalization):
    models = []
    convert = module.convert_sentencepiece

    def keep(serialized_model, *args):
        models.append(serialized_model)
        return convert(serialized_model, *args)

    monkeypatch.setattr(module, "convert_sentencepiece", keep)
    tokenizer = train_tokenizer(texts, vocab_size=400, model_type=model_type, normalization=normalization)
    reference = sentencepiece.SentencePieceProcessor(model_proto=models[0])
    test = [*load_dates(1, 1, 500, seed=5)["test"]["source"], *HARD]
    for text in test:
        given = text if normalization == "nfkc" else re.sub(r"[\t-\r]", " ", text).strip()
        given = unicodedata.normalize("NFC", given) if normalization == "nfc" else given
        assert tokenizer(text).input_ids == [*reference.encode(given), 2], repr(text)
    assert len(tokenizer) == reference.get_piece_size()
    pieces = [reference.id_to_piece(index) for index in range(4)]
    assert pieces == tokenizer.convert_ids_to_tokens(range(4)) == ["<pad>", "<s>", "</s>", "<unk>"]


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_loads_as_a_plain_fast_tokenizer(tmp_path, texts, model_type):
    size = 30_000 if model_type == "word" else 300
    tokenizer = train_tokenizer(texts, size, model_type, extra_tokens=["<en_US>"])
    tokenizer.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.py"))
    assert not list(tmp_path.glob("*.model"))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    for text in ["The dog sat.", "<en_US> 3/4/05", "<s>", *HARD]:
        assert loaded(text).input_ids == tokenizer(text).input_ids
    assert (loaded.pad_token_id, loaded.bos_token_id, loaded.eos_token_id, loaded.unk_token_id) == (0, 1, 2, 3)
    known = "The cat sat on the mat, and the dog barked."
    assert loaded.decode(loaded(known).input_ids, skip_special_tokens=True) == known
    assert loaded.init_kwargs["tokenizer_type"] == model_type
    batch = loaded(["The cat", "The cat sat on"], padding=True)
    assert batch.input_ids[0][-1] == 0
    assert batch.attention_mask[0][-1] == 0


def test_special_tokens_in_a_text_are_text(texts):
    tokenizer = train_tokenizer([*texts, "<s>pad/unk>"], 400, "unigram")
    for literal in ("<s>", "</s>", "<pad>", "<unk>"):
        ids = tokenizer(f"The {literal} cat").input_ids
        assert not set(ids[:-1]) & {0, 1, 2, 3}
        assert tokenizer.decode(ids, skip_special_tokens=True) == f"The {literal} cat"


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
@pytest.mark.parametrize("character_coverage", [0.98, 1.0])
def test_rare_characters_are_unknown_where_not_all_are_covered(model_type, character_coverage):
    tokenizer = train_tokenizer(["abcd dcba"] * 60 + ["abq dcba"], 20, model_type, character_coverage)
    assert tokenizer.unk_token_id not in tokenizer("abcd").input_ids
    assert (tokenizer.unk_token_id in tokenizer("q").input_ids) == (character_coverage < 1)


def test_extra_tokens_are_one_token_each(texts):
    tokenizer = train_tokenizer([*texts, "<en_US> a"], 300, "char", extra_tokens=["<en_US>", "<en>", "<de_DE>"])
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("<en_US> 3/4/05").input_ids)
    assert tokens == ["<en_US>", "▁", "3", "/", "4", "/", "0", "5", "</s>"]


@pytest.mark.parametrize(
    "options", [{"model_type": kind} for kind in ("unigram", "bpe", "char", "word")] + [{"separator": " "}]
)
def test_extra_tokens_are_never_split_and_stay_in_the_output(tmp_path, options):
    train_tokenizer(["<ko> ab cd ef", "gh ab"], 60, extra_tokens=["<ko>", "@X@"], **options).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert not set("<>ko") & set(tokenizer.get_vocab())  # they teach it no letters
    for text in ("<ko> ab cd", "ab @X@ ef"):
        ids = tokenizer(text).input_ids
        assert {"<ko>", "@X@"} & set(tokenizer.convert_ids_to_tokens(ids))
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("token", ["", " ", "</s>"])
def test_an_extra_token_that_is_empty_or_special_is_an_error(token):
    with pytest.raises(ValueError, match=f"`extra_tokens` has {token!r}, which is empty or already a special token"):
        train_tokenizer(["a"], extra_tokens=["<ko>", token])


def test_characters_have_no_mark_at_the_start():
    tokenizer = train_tokenizer(["hello", "pʰa"], model_type="char")
    assert tokenizer.convert_ids_to_tokens(tokenizer("pʰal").input_ids) == ["p", "ʰ", "a", "l", "</s>"]
    assert "▁" not in tokenizer.get_vocab()
    assert tokenizer.get_vocab() == {
        token: index for index, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *"laehopʰ"])
    }
    # an unknown character is one token
    assert tokenizer("xyo").input_ids[:2] == [tokenizer.unk_token_id] * 2


@pytest.mark.parametrize("text", ["a b", " a", "a ", "  a   b  ", "a\tb\n", "\u00a0a\u200b", "e\u0301\u0323", "ﬁ½"])
def test_characters_without_normalization_keep_every_text(tmp_path, text):
    train_tokenizer(["a b", text], model_type="char", normalization="none").save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer(text).input_ids
    assert len(ids) == len(text) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("separator", [" ", "\t", "|", " | ", "||", ".", "^", "▁"])
def test_symbols_are_what_stands_between_separators(tmp_path, separator):
    rows = [["AH0", "K", "T"], ["K", "tʃʰ", "K"], ["<s>", "K"]]
    train_tokenizer(map(separator.join, rows), 5, separator=separator).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.init_kwargs["separator"] == separator
    assert tokenizer.init_kwargs["tokenizer_type"] == "symbol"
    assert {"AH0", "K", "T", "tʃʰ"} < set(tokenizer.get_vocab())
    for row in rows[:2]:
        ids = tokenizer(separator.join(row)).input_ids
        assert tokenizer.convert_ids_to_tokens(ids) == [*row, "</s>"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == separator.join(row)
    # the special token is text, an empty symbol nothing, and an unseen one unknown
    assert not set(tokenizer(separator.join(rows[2])).input_ids[:-1]) & {0, 1, 2}
    ids = tokenizer(separator.join(["", "K", "", "T", "ZZ", ""])).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["K", "T", "<unk>", "</s>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == separator.join("KT")
    assert tokenizer.decode([2], skip_special_tokens=True) == ""


def test_symbols_may_begin_with_spaces():
    tokenizer = train_tokenizer(["a/ b/c "], separator="/", normalization="none")
    ids = tokenizer(" b/a/c ").input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [" b", "a", "c ", "</s>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == " b/a/c "


@pytest.mark.parametrize("separator, normalization", [("", "nfc"), ("\t", "nfkc"), ("½", "nfkc"), ("\u2126", "nfc")])
def test_a_separator_that_normalization_changes_is_an_error(separator, normalization):
    with pytest.raises(ValueError, match="`separator` is .*, which is empty or changed by the normalization"):
        train_tokenizer(["a"], separator=separator, normalization=normalization)


def test_words_are_what_stands_between_white_space():
    tokenizer = train_tokenizer(["der Hund bellt.", "der  Hund\tschläft", "der Mond"], 7, "word")
    assert tokenizer.convert_ids_to_tokens(range(4, 7)) == ["der", "Hund", "Mond"]  # the most frequent
    ids = tokenizer(" der  Hund\nbellt. Mond").input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["der", "Hund", "<unk>", "Mond", "</s>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "der Hund Mond"
    with pytest.raises(ValueError, match="`vocab_size` is 4, but words take 5 or more"):
        train_tokenizer(["a"], 4, "word")


@pytest.mark.parametrize(
    "texts, model_type, message",
    [(["a"], "words", "`model_type` must be"), ([" ", ""], "char", "has no text"), ([""], "bpe", "has no text")],
)
def test_unknown_types_and_missing_texts_are_errors(texts, model_type, message):
    with pytest.raises(ValueError, match=message):
        train_tokenizer(texts, 100, model_type)


@pytest.mark.parametrize("character_coverage", [0, 0.9, 1.1])
def test_a_coverage_out_of_range_is_an_error(character_coverage):
    with pytest.raises(ValueError, match=f"`character_coverage` must be from 0.98 to 1, got {character_coverage}"):
        train_tokenizer(["a"], character_coverage=character_coverage)


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char"])
def test_long_texts_are_learned_to_the_end(model_type):
    tokenizer = train_tokenizer(["ab " * 50_000 + "z"], 100, model_type)
    assert tokenizer.decode(tokenizer("z ab").input_ids, skip_special_tokens=True) == "z ab"


@pytest.mark.parametrize("normalization", ["nfc", "nfkc", "none"])
def test_marks_in_another_order_are_known(normalization):
    text = "e\u0301\u0323"
    tokenizer = train_tokenizer([text], 100, "char", normalization=normalization)
    assert tokenizer.unk_token_id not in tokenizer(text).input_ids


@pytest.mark.parametrize("vocab_size", [0, 3, 12])
def test_a_vocabulary_smaller_than_the_characters_is_an_error(vocab_size):
    with pytest.raises(ValueError, match=f"`vocab_size` is {vocab_size}, but .* alone take 13 pieces.*type char"):
        train_tokenizer(["abcdefgh"] * 9, vocab_size, "bpe")
    assert len(train_tokenizer(["abcdefgh"] * 9, 13, "bpe")) == 13


CHANGED = {  # what each normalization makes of a text
    "pʰ tʲ nˠ": {"nfkc": "ph tj nɣ"},
    "10\u00a0€ ½ ２": {"nfkc": "10 € 1⁄2 2"},
    "two  spaces": {"nfkc": "two spaces"},
    "zero\u200bwidth": {"nfkc": "zero width"},
    "cafe\u0301": {"nfkc": "café", "nfc": "café"},
    "\u2126 ohm": {"nfkc": "Ω ohm", "nfc": "Ω ohm"},
    "a\tb\rc": {"nfkc": "a b c", "nfc": "a b c", "none": "a b c"},
}


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char"])
@pytest.mark.parametrize("normalization", ["nfc", "nfkc", "none"])
def test_only_the_requested_normalization_changes_texts(tmp_path, caplog, model_type, normalization):
    train_tokenizer(list(CHANGED) * 20, 80, model_type, normalization=normalization).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    changed = {text: forms.get(normalization, text) for text, forms in CHANGED.items()}
    keeps_all = (model_type, normalization) == ("char", "none")
    for text, expected in changed.items():
        decoded = tokenizer.decode(tokenizer(f" {text} ").input_ids, skip_special_tokens=True)
        assert decoded.strip() == expected.replace("a b c", "a\tb\rc" if keeps_all else "a b c")
    lost = [text for text, expected in changed.items() if text != expected and not keeps_all]
    assert warn_of_lost_texts(CHANGED, tokenizer) == len(lost)
    if lost:
        assert f"{len(lost)} of {len(CHANGED)} targets change" in caplog.text
        assert repr(lost[0]) in caplog.text


def test_targets_with_unknown_characters_are_counted(caplog):
    tokenizer = train_tokenizer(["abcd dcba"] * 60 + ["abq dcba"], 20, "bpe", 0.98)
    assert warn_of_lost_texts(["abcd", "abq", " dcba "], tokenizer, batch_size=1) == 1
    assert "1 of 3 targets change when they are encoded and decoded" in caplog.text
    assert "'abq' becomes 'ab'" in caplog.text
    caplog.clear()
    assert warn_of_lost_texts(["abcd"], tokenizer) == 0
    assert not caplog.text
    length = len(tokenizer("abcd")["input_ids"])
    assert warn_of_lost_texts(["abcd", "abcd abcd"], tokenizer, max_length=length) == 0
    assert f"1 of 2 targets have more than {length} tokens and are cut: set `max_target_length`" in caplog.text


def test_an_unknown_normalization_is_an_error():
    with pytest.raises(ValueError, match="`normalization` must be 'nfc', 'nfkc' or 'none', got 'NFD'"):
        train_tokenizer(["a"], normalization="NFD")


def test_the_recipe_of_dates_reads_full_width_digits_and_other_spaces():
    recipes = Path(__file__).parents[2] / "scripts" / "recipes"
    options = parse(TRANSLATION_ARGUMENTS, ["dates", "--output_dir", "unused"], recipes)[1]
    rows = load_dates(500, 1, 1)["train"]
    texts = [*rows["source"], *rows["target"]]
    tokenizer = train_tokenizer(texts, model_type="char", normalization=options.normalization)
    assert tokenizer("２００５\u00a0年").input_ids == tokenizer("2005 年").input_ids
    assert warn_of_lost_texts(rows["target"], tokenizer) == 0
