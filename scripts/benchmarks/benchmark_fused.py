# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Measure what each part of the recurrent family's fast path gains: the same model with that part off, in turns.

    python scripts/benchmarks/benchmark_fused.py
    python scripts/benchmarks/benchmark_fused.py --device cuda --bf16

Ratios are of medians, time without the part to time with it. Sources and targets have 6 to 24 random tokens; decoding
takes exactly 20 steps a sentence. `config.fused` is all parts together.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from benchmarking import autocast, make_parser, print_table, spread, time_in_turns, write_results

from hf_attention import BahdanauConfig, BahdanauForConditionalGeneration
from hf_attention.models.bahdanau import fused_bahdanau, generation_bahdanau, modeling_bahdanau, onednn_bahdanau


SIZES = {"embedding_size": 256, "hidden_size": 512, "encoder_hidden_size": 256, "attention_size": 512}
SIZES |= {"maxout_size": 256, "vocab_size": 8000}
STEPS = 20
# a part -> where it is decided, and the decision that turns it off
TRAINING_PARTS = {
    "decoder recurrence": (fused_bahdanau, "supports", lambda *_: False),
    "loss without logits": (modeling_bahdanau, "can_fuse_loss", lambda _: False),
    "targets without padding": (modeling_bahdanau, "target_lengths", lambda _: None),
}
DECODING_PARTS = {
    "searches of our own": (BahdanauForConditionalGeneration, "can_search", lambda *_: False),
    "fused decoding step": (generation_bahdanau, "can_fuse_step", lambda _: False),
    "oneDNN": (onednn_bahdanau, "HAS_ONEDNN", False),
}


@contextmanager
def without(owner: object, name: str, off: object) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, off)
    try:
        yield
    finally:
        setattr(owner, name, original)


def make_batch(batch_size: int, device: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(6, 25, (2, batch_size, 1), generator=generator)
    lengths[:, 0] = 24
    source, labels = torch.randint(5, SIZES["vocab_size"], (2, batch_size, 24), generator=generator)
    mask = (torch.arange(24) < lengths[0]).long()
    labels = labels.where(torch.arange(24) < lengths[1], -100)
    return {"input_ids": (source * mask).to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}


def gains(run: Callable[[], object], parts: dict, model: BahdanauForConditionalGeneration, options) -> dict[str, dict]:
    """Returns the seconds with each part off, next to those of the complete fast path, for one kind of work."""

    def run_without(part: tuple) -> Callable[[], None]:
        def patched() -> None:
            with without(*part):
                run()

        return patched

    off = {"config.fused": (model.config, "fused", False), **parts}
    seconds = time_in_turns(
        {"on": run, **{name: run_without(part) for name, part in off.items()}}, options.rounds, options.device
    )
    on = seconds.pop("on")
    return {name: {"on": on, "off": values} for name, values in seconds.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = make_parser(__doc__, rounds=7)
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast")
    parser.add_argument("--device", default="cpu", help="cpu (the default), or e.g. cuda")
    parser.add_argument(
        "--batch_sizes", type=int, nargs="+", default=[64, 16, 1], help="of decoding; the first trains"
    )
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(options.num_threads)
    model = BahdanauForConditionalGeneration(BahdanauConfig(**SIZES)).to(options.device)
    batch = make_batch(options.batch_sizes[0], options.device)

    def train() -> None:
        with autocast(options):
            loss = model(**batch).loss
        loss.backward()
        model.zero_grad(set_to_none=True)

    model.train()
    results = {f"training, batch {options.batch_sizes[0]}": gains(train, TRAINING_PARTS, model, options)}
    model.eval()
    for batch_size in options.batch_sizes:
        inputs = make_batch(batch_size, options.device)
        del inputs["labels"]
        for num_beams in (1, 5):

            def decode(inputs: dict = inputs, num_beams: int = num_beams) -> None:
                with torch.no_grad(), autocast(options):
                    model.generate(**inputs, num_beams=num_beams, min_new_tokens=STEPS, max_new_tokens=STEPS)

            kind = f"{'greedy' if num_beams == 1 else '5 beams'}, batch {batch_size}"
            results[kind] = gains(decode, DECODING_PARTS, model, options)
    rows = []
    for kind, parts in results.items():
        for name, seconds in parts.items():
            ratio = statistics.median(seconds["off"]) / statistics.median(seconds["on"])
            times = [spread([1000 * value for value in seconds[key]]) for key in ("on", "off")]
            rows.append([kind, name, *times, f"{ratio:.2f}"])
    print_table(["work", "part", "on, ms", "off, ms", "off / on"], rows)
    write_results(options, {"results": results})


if __name__ == "__main__":
    main()
