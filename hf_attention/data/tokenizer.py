# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Trains tokenizers: of characters, of words, of symbols between separators, and, with sentencepiece, of pieces.

The result is one `tokenizer.json`, which `AutoTokenizer` loads without sentencepiece and without remote code. The ids
of pieces are those of sentencepiece (Kudo & Richardson 2018, arXiv 1808.06226), also for decomposed text (NFD); only
half-width katakana with a voicing mark differ, under NFKC.
"""

import io
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, chain, islice

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordLevel
from tokenizers.trainers import WordLevelTrainer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges


logger = logging.getLogger(__name__)

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"  # ids 0 to 3
SPECIAL_TOKENS = [PAD, BOS, EOS, UNK]
TOKENIZER_TYPES = ("unigram", "bpe", "char", "word")
NORMALIZATIONS = ("nfc", "nfkc", "none")
MAX_LENGTH = 10_000  # of a text, in characters; longer ones are cut
TAB_TO_RETURN = r"[\t-\r]"  # white space that is control characters; sentencepiece reserves the tab
NFKC_RULE = "nmt_nfkc"  # of sentencepiece
JOIN_SPACES = normalizers.Replace(Regex(r"\s{2,}"), " ")
SPACES_ONLY = pre_tokenizers.Metaspace("▁", prepend_scheme="never", split=False)
# special tokens are in the vocabulary, so those that are spelled out in a text are split before they can match
SPLIT_SPECIALS = pre_tokenizers.Split(
    Regex(f"<(?=(?:{'|'.join(token.strip('<>') for token in SPECIAL_TOKENS)})>)"), "isolated"
)


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 8000,
    model_type: str = "unigram",
    character_coverage: float = 1.0,
    extra_tokens: Iterable[str] = (),
    normalization: str = "nfc",
    separator: str | None = None,
) -> PreTrainedTokenizerFast:
    """
    Trains a tokenizer whose first ids are `<pad>`, `<s>`, `</s>`, `<unk>`, and which appends `</s>` to every text.

    Special tokens that are spelled out in a text are tokenized as plain text. `init_kwargs` of the tokenizer, which
    are saved with it, have its `tokenizer_type` (`"symbol"` if there is a separator) and its `separator`.

    Args:
        texts (`Iterable[str]`):
            Sentences; empty ones are skipped.
        vocab_size (`int`, *optional*, defaults to 8000):
            Number of pieces or words. Small corpora have fewer; characters and symbols all have a token, regardless
            of this number.
        model_type (`str`, *optional*, defaults to `"unigram"`):
            `"unigram"` (Kudo 2018), `"bpe"` (Sennrich et al. 2016), `"char"`, or `"word"`: what stands between white
            space. The token of a space is `"▁"`; `"char"` has it only where a text has a space.
        character_coverage (`float`, *optional*, defaults to 1.0):
            Share of the characters in `texts` that get a token, for all types but `"word"`; the others become `<unk>`.
        extra_tokens (`Iterable[str]`, *optional*):
            Words, such as `<en_US>`, that always become one token.
        normalization (`str`, *optional*, defaults to `"nfc"`):
            What the tokenizer does to every text: `"nfc"` composes characters, which keeps what the text looks like;
            `"nfkc"`, sentencepiece's default, also replaces characters by similar ones (`½` by `1⁄2`, `ʰ` by `h`),
            removes invisible ones and joins spaces; `"none"` does neither. White space around a text is removed, and
            tabs and line breaks inside it are read as spaces, but symbols keep it, as do characters with `"none"`.
        separator (`str`, *optional*):
            Makes the tokenizer one of symbols: what stands between separators is one token, as in `AH0 K T`, whose
            separator is a space. The separator has no token; decoding joins with it. An empty symbol, between two
            separators or at an end, is left out, and a symbol that `texts` do not have is `<unk>`. `model_type`,
            `vocab_size` and `character_coverage` have no effect.

    Raises:
        `ValueError`: for an unknown `model_type` or `normalization`, a `vocab_size` below the number of characters, a
        `separator` that is empty or that the normalization changes, an `extra_tokens` that is empty or special, or
        `texts` without any text.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"`normalization` must be 'nfc', 'nfkc' or 'none', got {normalization!r}.")
    if model_type not in TOKENIZER_TYPES:
        raise ValueError(f"`model_type` must be 'unigram', 'bpe', 'char' or 'word', got {model_type!r}.")
    if not 0.98 <= character_coverage <= 1:
        raise ValueError(f"`character_coverage` must be from 0.98 to 1, got {character_coverage}.")
    extra_tokens = list(dict.fromkeys(extra_tokens))
    if invalid := [token for token in extra_tokens if not token.strip() or token in SPECIAL_TOKENS]:
        raise ValueError(f"`extra_tokens` has {invalid[0]!r}, which is empty or already a special token. Remove it.")
    if extra_tokens:  # so that no token is made of their letters
        spelled_out = re.compile("|".join(map(re.escape, sorted(extra_tokens, key=len, reverse=True))))
        texts = (spelled_out.sub("", text) for text in texts)
    tokenizer_type = model_type if separator is None else "symbol"
    if tokenizer_type in ("char", "word", "symbol"):
        return train_symbols(
            texts, tokenizer_type, separator, vocab_size, character_coverage, extra_tokens, normalization
        )
    normalizer = None if normalization == "nfkc" else make_normalizer(normalization)
    # sentencepiece has NFKC, but composes only characters whose marks are in canonical order
    first = normalizer or normalizers.NFC()
    texts = map(first.normalize_str, filter(None, texts))
    # sentencepiece takes a time that is quadratic in a word's length
    texts = [text[start : start + MAX_LENGTH] for text in texts for start in range(0, len(text), MAX_LENGTH)]
    texts = [text for text in texts if not text.isspace()]
    check_has_text(texts)
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
            normalization_rule_name=NFKC_RULE if normalizer is None else "identity",
            remove_extra_whitespaces=normalizer is None,
        )
    except RuntimeError as error:
        characters = train_symbols(texts, "char", None, 0, character_coverage, [], normalization)
        min_size = len({*characters.get_vocab(), "▁"})  # which begins every word
        if vocab_size >= min_size:
            raise
        raise ValueError(
            f"`vocab_size` is {vocab_size}, but the characters of these texts alone take {min_size} pieces. "
            "Raise it, or use `--tokenizer_type char`, which has one piece per character."
        ) from error
    return convert_sentencepiece(model.getvalue(), extra_tokens, normalizer, tokenizer_type)


def train_symbols(
    texts: Iterable[str],
    tokenizer_type: str,
    separator: str | None,
    vocab_size: int,
    character_coverage: float,
    extra_tokens: Iterable[str],
    normalization: str,
) -> PreTrainedTokenizerFast:
    """Trains a tokenizer of the type `char`, `word` or `symbol`; see [`train_tokenizer`]."""
    normalizer = make_normalizer(normalization, tokenizer_type)
    normalized = [normalizer.normalize_str(text) for text in texts]
    check_has_text(normalized)
    if tokenizer_type == "char":
        splits = [SPACES_ONLY, pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")]
        decoder = decoders.Metaspace("▁", prepend_scheme="never")
        counts = sorted(Counter(chain.from_iterable(normalized)).values(), reverse=True)
        covered = sum(total < character_coverage * sum(counts) for total in accumulate(counts, initial=0))
        vocab_size = len(SPECIAL_TOKENS) + covered
    elif tokenizer_type == "word":
        if vocab_size <= len(SPECIAL_TOKENS):
            raise ValueError(f"`vocab_size` is {vocab_size}, but words take 5 or more: 4 tokens are special.")
        splits = [pre_tokenizers.WhitespaceSplit(), SPLIT_SPECIALS]
        decoder = join_with(" ")
    else:
        if not separator or normalizer.normalize_str(f"a{separator}b") != f"a{separator}b":
            raise ValueError(
                f"`separator` is {separator!r}, which is empty or changed by the normalization {normalization!r}: use "
                "another one, or the normalization 'none'."
            )
        splits = [pre_tokenizers.Split(separator, "removed"), SPLIT_SPECIALS]
        decoder = join_with(separator)
        vocab_size = sys.maxsize
    tokenizer = Tokenizer(WordLevel(unk_token=UNK))
    tokenizer.normalizer, tokenizer.decoder = normalizer, decoder
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    trainer = WordLevelTrainer(vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, show_progress=False)
    tokenizer.train_from_iterator(normalized, trainer)
    return to_fast_tokenizer(tokenizer, extra_tokens, tokenizer_type, separator)


def join_with(separator: str) -> decoders.Decoder:
    """Returns the decoder that puts `separator` between tokens: before each, and the first one is removed again."""
    strips = [decoders.Strip(character, 1, 0) for character in separator]
    return decoders.Sequence([decoders.Replace(Regex("^"), separator), decoders.Fuse(), *strips])


def make_normalizer(normalization: str, tokenizer_type: str = "unigram") -> normalizers.Normalizer:
    """Returns the normalizer of a type of tokenizer; see [`train_tokenizer`]."""
    steps: list[normalizers.Normalizer] = [] if normalization == "none" else [normalizers.NFC()]
    if normalization == "nfkc":
        rule = sentencepiece.SentencePieceNormalizer(rule_name=NFKC_RULE).serialized_model_proto()
        steps.append(normalizers.Precompiled(parse_model(rule).normalizer_spec.precompiled_charsmap))
        steps.append(JOIN_SPACES)
    if tokenizer_type != "symbol" and (tokenizer_type, normalization) != ("char", "none"):
        steps += [normalizers.Replace(Regex(TAB_TO_RETURN), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def check_has_text(texts: list[str]) -> None:
    if all(not text or text.isspace() for text in texts):
        raise ValueError("`texts` has no text to train a tokenizer on.")


def warn_of_lost_texts(
    texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, batch_size: int = 1000, max_length: int | None = None
) -> int:
    """
    Warns of texts that decode to others than were encoded, for example because the tokenizer normalizes them or has
    no token for one of their characters: a model cannot predict these targets. Returns their number.

    Warns also of texts of more than `max_length` tokens, the end included, which will be cut.
    """
    lost, total, example, num_cut = 0, 0, None, 0
    remaining = iter(texts)
    while batch := [text.strip() for text in islice(remaining, batch_size)]:
        ids = tokenizer(text_target=batch)["input_ids"]
        num_cut += sum(max_length is not None and len(tokens) > max_length for tokens in ids)
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
    if num_cut:
        logger.warning(
            "%d of %d targets have more than %d tokens and are cut: set `max_target_length`.",
            num_cut,
            total,
            max_length,
        )
    return lost


def convert_sentencepiece(
    serialized_model: bytes,
    extra_tokens: Iterable[str] = (),
    normalizer: normalizers.Normalizer | None = None,
    tokenizer_type: str | None = None,
) -> PreTrainedTokenizerFast:
    """
    Converts a sentencepiece model that was trained with this module's special pieces to a fast tokenizer.

    Its ids are those of the sentencepiece model.

    Args:
        serialized_model (`bytes`): the content of a `.model` file.
        extra_tokens (`Iterable[str]`, *optional*): words that become one token each.
        normalizer (`Normalizer`, *optional*): replaces that of the sentencepiece model.
        tokenizer_type (`str`, *optional*): that the tokenizer is to remember.
    """
    proto = parse_model(serialized_model)
    bpe = sentencepiece_model_pb2.TrainerSpec.BPE  # ty: ignore[missing-attribute]
    scores = [(piece.piece, piece.score) for piece in proto.pieces]
    if proto.trainer_spec.model_type == bpe:
        vocab = {piece: index for index, (piece, _) in enumerate(scores)}
        merges = generate_merges(vocab, dict(scores), skip_tokens={PAD, BOS, EOS, UNK})
        tokenizer = Tokenizer(BPE(vocab, merges, unk_token=UNK, fuse_unk=True))
    else:
        tokenizer = Tokenizer(Unigram(scores, unk_id=3, byte_fallback=False))

    steps = [normalizers.Strip(), JOIN_SPACES]
    if normalizer is not None:
        steps = [normalizer]
    elif charsmap := proto.normalizer_spec.precompiled_charsmap:
        # sentencepiece composes characters with the same map, `Precompiled` does not
        steps = [normalizers.NFC(), normalizers.Precompiled(charsmap), *steps]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace("▁", prepend_scheme="always"), SPLIT_SPECIALS]
    )
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    return to_fast_tokenizer(tokenizer, extra_tokens, tokenizer_type)


def parse_model(serialized_model: bytes):
    # the module's classes are generated when it is imported
    return sentencepiece_model_pb2.ModelProto.FromString(serialized_model)  # ty: ignore[missing-attribute]


def to_fast_tokenizer(
    tokenizer: Tokenizer, extra_tokens: Iterable[str], tokenizer_type: str | None, separator: str | None = None
) -> PreTrainedTokenizerFast:
    """Completes a tokenizer with `</s>` after each text, extra tokens, and what it is to remember of itself."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {EOS} $B {EOS}", special_tokens=[(EOS, 2)]
    )
    # found after normalization, which would otherwise remove the spaces around them
    tokenizer.add_tokens([AddedToken(token, normalized=True) for token in extra_tokens])
    memory = {"tokenizer_type": tokenizer_type, "separator": separator}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
        **{name: value for name, value in memory.items() if value is not None},
    )
