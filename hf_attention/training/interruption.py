# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What Ctrl-C and SIGTERM do to a run: training saves a checkpoint first, and one line says how to go on."""

import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist


SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Ctrl-C under torchrun arrives twice, from the terminal and from torchrun
REPEATS = 1.0  # seconds


class Stopped(SystemExit):
    """Ends the process as a signal does: with exit status 130 (SIGINT) or 143 (SIGTERM)."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Interruption:
    """Remembers a signal during training until a checkpoint is saved; ends the process at once at other times."""

    def __init__(self, is_training: bool) -> None:
        self.is_training = is_training
        self.received = 0
        self.time = 0.0
        self.group: dist.ProcessGroup | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        is_main = os.environ.get("RANK", "0") == "0"
        name = signal.Signals(number).name
        if not self.is_training:
            if is_main:
                say(f"Stopped by {name}, with nothing to save. With `--resume_from_checkpoint auto` the run goes on.")
            raise Stopped(number)
        if not self.received:
            self.received, self.time = number, time.monotonic()
            if is_main:
                say(f"{name}: saving a checkpoint after this step (and its evaluation). Ctrl-C again stops at once.")
        elif number == signal.SIGINT and time.monotonic() > self.time + REPEATS:
            if is_main:
                say("Stopped at once. `--resume_from_checkpoint auto` resumes from the last complete checkpoint.")
            raise Stopped(number)

    def agree(self) -> int:
        """Returns the signal that any process has received, or 0: the same number on all of them."""
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return self.received
        if self.group is None:  # on the CPU, so that no step waits for the accelerator
            self.group = dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
        received = torch.tensor(self.received)
        dist.all_reduce(received, dist.ReduceOp.MAX, group=self.group)
        return int(received)


def say(message: str) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{message}\n".encode())  # safe in a handler


@contextmanager
def catch_signals(is_training: bool = False) -> Generator[Interruption]:
    """Handles Ctrl-C and SIGTERM, unless the program has handlers of its own, or this is not its main thread."""
    interruption = Interruption(is_training)
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            is_own = isinstance(getattr(handler, "__self__", None), Interruption)
            if is_own or handler in (signal.SIG_DFL, signal.default_int_handler):
                previous[number] = signal.signal(number, interruption.handle)
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class IgnoreSignals:
    """
    A `worker_init_fn` whose data workers outlive a signal to all processes of a run, so that its step can be finished.
    They end with their parent.
    """

    def __init__(self, worker_init_fn=None) -> None:
        self.worker_init_fn = worker_init_fn

    def __call__(self, worker_id: int) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.worker_init_fn is not None:
            self.worker_init_fn(worker_id)


__all__ = ["IgnoreSignals", "Interruption", "Stopped", "catch_signals"]
