# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Trains sentencepiece models and converts them to fast tokenizers of transformers.

The result is one `tokenizer.json`, which `AutoTokenizer` loads without sentencepiece and without remote code. Its ids
are those of sentencepiece (Kudo & Richardson 2018, arXiv 1808.06226), also for decomposed text (NFD); only half-width
katakana with a voicing mark differ, under NFKC.
"""

import io
import logging
import unicodedata
from collections.abc import Iterable
from itertools import islice

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges


logger = logging.getLogger(__name__)

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"  # ids 0 to 3
NORMALIZATIONS = ("nfc", "nfkc", "none")
MAX_LENGTH = 10_000  # of a text, in characters; longer ones are cut
TAB_TO_RETURN = r"[\t-\r]"  # white space that is control characters; sentencepiece reserves the tab


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 8000,
    model_type: str = "unigram",
    character_coverage: float = 1.0,
    extra_tokens: Iterable[str] = (),
    normalization: str = "nfc",
) -> PreTrainedTokenizerFast:
    """
    Trains a tokenizer whose first ids are `<pad>`, `<s>`, `</s>`, `<unk>`, and which appends `</s>` to every text.

    Special tokens that are spelled out in a text are tokenized as plain text.

    Args:
        texts (`Iterable[str]`):
            Sentences; empty ones are skipped.
        vocab_size (`int`, *optional*, defaults to 8000):
            Number of pieces. Small corpora have fewer; `char` has one per character, regardless of this number.
        model_type (`str`, *optional*, defaults to `"unigram"`):
            `"unigram"` (Kudo 2018), `"bpe"` (Sennrich et al. 2016) or `"char"`.
        character_coverage (`float`, *optional*, defaults to 1.0):
            Share of the characters in `texts` that get a piece; the others become `<unk>`.
        extra_tokens (`Iterable[str]`, *optional*):
            Words, such as `<en_US>`, that always become one token.
        normalization (`str`, *optional*, defaults to `"nfc"`):
            What the tokenizer does to every text: `"nfc"` composes characters, which keeps what the text looks like;
            `"nfkc"`, sentencepiece's default, also replaces characters by similar ones (`½` by `1⁄2`, `ʰ` by `h`),
            removes invisible ones and joins spaces; `"none"` does neither. All remove white space around a text and
            read tabs and line breaks inside it as spaces.

    Raises:
        `ValueError`: for an unknown `model_type` or `normalization`, a `vocab_size` below the number of characters, or
        `texts` without any text.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"`normalization` must be 'nfc', 'nfkc' or 'none', got {normalization!r}.")
    if model_type not in ("unigram", "bpe", "char"):
        raise ValueError(f"`model_type` must be 'unigram', 'bpe' or 'char', got {model_type!r}.")
    if not 0.98 <= character_coverage <= 1:
        raise ValueError(f"`character_coverage` must be from 0.98 to 1, got {character_coverage}.")
    normalizer = None if normalization == "nfkc" else make_normalizer(normalization)
    # sentencepiece has NFKC, but composes only characters whose marks are in canonical order
    first = normalizer or normalizers.NFC()
    texts = map(first.normalize_str, filter(None, texts))
    # sentencepiece takes a time that is quadratic in a word's length
    texts = [text[start : start + MAX_LENGTH] for text in texts for start in range(0, len(text), MAX_LENGTH)]
    texts = [text for text in texts if not text.isspace()]
    if not texts:
        raise ValueError("`texts` has no text to train a tokenizer on.")
    if model_type == "char":
        characters = "".join(texts)
        vocab_size = len({*characters, *unicodedata.normalize("NFKC", characters)}) + 8
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type=model_type,
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            hard_vocab_limit=False,
            pad_id=0,
            bos_id=1,
            eos_id=2,
            unk_id=3,
            pad_piece=PAD,
            bos_piece=BOS,
            eos_piece=EOS,
            unk_piece=UNK,
            max_sentence_length=4 * MAX_LENGTH,
            num_threads=1,
            minloglevel=2,
            normalization_rule_name="nmt_nfkc" if normalizer is None else "identity",
            remove_extra_whitespaces=normalizer is None,
        )
    except RuntimeError as error:
        if model_type == "char":
            raise
        min_size = len(
            train_tokenizer(
                texts, model_type="char", character_coverage=character_coverage, normalization=normalization
            )
        )
        if vocab_size >= min_size:
            raise
        raise ValueError(
            f"`vocab_size` is {vocab_size}, but the characters of these texts alone take {min_size} pieces. "
            "Raise it, or use `--tokenizer_type char`, which has one piece per character."
        ) from error
    return convert_sentencepiece(model.getvalue(), extra_tokens, normalizer)


def make_normalizer(normalization: str) -> normalizers.Normalizer:
    """Returns the normalizer of `nfc` or `none`."""
    steps = [normalizers.Replace(Regex(TAB_TO_RETURN), " "), normalizers.Strip()]
    return normalizers.Sequence([normalizers.NFC(), *steps] if normalization == "nfc" else steps)


def warn_of_lost_texts(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, batch_size: int = 1000) -> int:
    """
    Warns of texts that decode to others than were encoded, for example because the tokenizer normalizes them or has
    no token for one of their characters: a model cannot predict these targets. Returns their number.
    """
    lost, total, example = 0, 0, None
    remaining = iter(texts)
    while batch := [text.strip() for text in islice(remaining, batch_size)]:
        ids = tokenizer(text_target=batch)["input_ids"]
        decoded = [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]
        pairs = [pair for pair in zip(batch, decoded) if pair[0] != pair[1]]
        lost, total, example = lost + len(pairs), total + len(batch), example or next(iter(pairs), None)
    if example is not None:
        logger.warning(
            "%d of %d targets change when they are encoded and decoded, so no prediction can equal them: %r becomes "
            "%r. Use a tokenizer with these characters and without this normalization (`normalization`, "
            "`tokenizer_type`, `vocab_size`).",
            lost,
            total,
            *example,
        )
    return lost


def convert_sentencepiece(
    serialized_model: bytes, extra_tokens: Iterable[str] = (), normalizer: normalizers.Normalizer | None = None
) -> PreTrainedTokenizerFast:
    """
    Converts a sentencepiece model that was trained with this module's special pieces to a fast tokenizer.

    Its ids are those of the sentencepiece model.

    Args:
        serialized_model (`bytes`): the content of a `.model` file.
        extra_tokens (`Iterable[str]`, *optional*): words that become one token each.
        normalizer (`Normalizer`, *optional*): replaces that of the sentencepiece model.
    """
    # the module's classes are generated when it is imported
    proto = sentencepiece_model_pb2.ModelProto.FromString(serialized_model)  # ty: ignore[missing-attribute]
    bpe = sentencepiece_model_pb2.TrainerSpec.BPE  # ty: ignore[missing-attribute]
    scores = [(piece.piece, piece.score) for piece in proto.pieces]
    if proto.trainer_spec.model_type == bpe:
        vocab = {piece: index for index, (piece, _) in enumerate(scores)}
        merges = generate_merges(vocab, dict(scores), skip_tokens={PAD, BOS, EOS, UNK})
        tokenizer = Tokenizer(BPE(vocab, merges, unk_token=UNK, fuse_unk=True))
    else:
        tokenizer = Tokenizer(Unigram(scores, unk_id=3, byte_fallback=False))

    steps = [normalizers.Strip(), normalizers.Replace(Regex(r"\s{2,}"), " ")]
    if normalizer is not None:
        steps = [normalizer]
    elif charsmap := proto.normalizer_spec.precompiled_charsmap:
        # sentencepiece composes characters with the same map, `Precompiled` does not
        steps = [normalizers.NFC(), normalizers.Precompiled(charsmap), *steps]
    tokenizer.normalizer = normalizers.Sequence(steps)
    # the control pieces are in the vocabulary, so literal ones in a text are split before they can match
    specials = "|".join(token.strip("<>") for token in (PAD, BOS, EOS, UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace("▁", prepend_scheme="always"),
            pre_tokenizers.Split(Regex(f"<(?=(?:{specials})>)"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {EOS} $B {EOS}", special_tokens=[(EOS, 2)]
    )
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in extra_tokens])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
    )
