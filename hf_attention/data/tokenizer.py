# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Train a sentencepiece model on text and hand it over as a plain fast tokenizer.

The result is one `tokenizer.json` that `AutoTokenizer` loads with no code of ours and without sentencepiece, and its
ids are sentencepiece's own (Kudo & Richardson 2018, arXiv 1808.06226), of decomposed text (NFD) too; only half-width
katakana with a voicing mark differ.
"""

import io
import unicodedata
from collections.abc import Iterable

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges


PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"  # ids 0 to 3


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 8000,
    model_type: str = "unigram",
    character_coverage: float = 1.0,
    extra_tokens: Iterable[str] = (),
) -> PreTrainedTokenizerFast:
    """
    Trains a tokenizer whose ids begin with `<pad>`, `<s>`, `</s>`, `<unk>` and that ends every text with `</s>`.

    A special token spelled out in a text is read as plain text, never as the token.

    Args:
        texts (`Iterable[str]`):
            One sentence an item; empty ones are skipped.
        vocab_size (`int`, *optional*, defaults to 8000):
            Pieces wanted. Small corpora give fewer; `char` takes every character, however many.
        model_type (`str`, *optional*, defaults to `"unigram"`):
            `"unigram"` (Kudo 2018), `"bpe"` (Sennrich et al. 2016) or `"char"`.
        character_coverage (`float`, *optional*, defaults to 1.0):
            Share of the characters seen that get a piece; the others are `<unk>`.
        extra_tokens (`Iterable[str]`, *optional*):
            Words such as `<en_US>` that are one token wherever they stand.

    Raises:
        `ValueError`: for another `model_type`, a `vocab_size` below the number of characters, or where `texts` has no
        text.
    """
    if model_type not in ("unigram", "bpe", "char"):
        raise ValueError(f"`model_type` must be 'unigram', 'bpe' or 'char', got {model_type!r}.")
    texts = [text for text in texts if text and not text.isspace()]
    if not texts:
        raise ValueError("`texts` holds no text to train a tokenizer on.")
    if model_type == "char":
        seen = "".join(texts)
        vocab_size = len({*seen, *unicodedata.normalize("NFKC", seen)}) + 8
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
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        if model_type == "char":
            raise
        least = len(train_tokenizer(texts, model_type="char", character_coverage=character_coverage))
        if vocab_size >= least:
            raise
        raise ValueError(
            f"`vocab_size` is {vocab_size}, but the characters of these texts alone take {least} pieces. Raise it, or "
            "take a tokenizer of characters (`--tokenizer_type char`), which has one for each."
        ) from error
    return convert_sentencepiece(model.getvalue(), extra_tokens)


def convert_sentencepiece(serialized_model: bytes, extra_tokens: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """
    A fast tokenizer with the ids of a sentencepiece model trained with this module's special pieces.

    Args:
        serialized_model (`bytes`): the content of a `.model` file.
        extra_tokens (`Iterable[str]`, *optional*): words that become one token each.
    """
    proto = sentencepiece_model_pb2.ModelProto.FromString(serialized_model)
    scores = [(piece.piece, piece.score) for piece in proto.pieces]
    if proto.trainer_spec.model_type == sentencepiece_model_pb2.TrainerSpec.BPE:
        vocab = {piece: index for index, (piece, _) in enumerate(scores)}
        merges = generate_merges(vocab, scores, skip_tokens={PAD, BOS, EOS, UNK})
        tokenizer = Tokenizer(BPE(vocab, merges, unk_token=UNK, fuse_unk=True))
    else:
        tokenizer = Tokenizer(Unigram(scores, unk_id=3, byte_fallback=False))

    steps = [normalizers.Strip(), normalizers.Replace(Regex(r"\s{2,}"), " ")]
    if charsmap := proto.normalizer_spec.precompiled_charsmap:
        # `Precompiled` does not compose, as sentencepiece does with the same map
        steps = [normalizers.NFC(), normalizers.Precompiled(charsmap), *steps]
    tokenizer.normalizer = normalizers.Sequence(steps)
    # the control pieces are in the vocabulary, so a literal one in a text is cut before it can match
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
