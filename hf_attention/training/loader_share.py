# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""How much of a run's time goes into waiting for data."""

import time

from transformers import TrainerCallback


class LoaderShare(TrainerCallback):
    """
    Measures, for any `Trainer`, what part of training the loop waited for its next batch.

    The wait is from the end of a step (or of the logging, evaluation and saving after it) to the start of the next:
    the loader's work where there are no workers, and waiting for them where there are, their start included. On a GPU,
    which goes on working while the loop waits, it is an upper bound.
    """

    def __init__(self):
        self.waited = self.worked = 0.0
        self.mark = None

    @property
    def share(self) -> float:
        """Waiting over waiting and steps together, from 0 to 1; 0 before the first step."""
        total = self.waited + self.worked
        return self.waited / total if total else 0.0

    def start_waiting(self, args, state, control, **kwargs):
        self.mark = time.perf_counter()

    on_epoch_begin = on_log = on_evaluate = on_save = start_waiting

    def on_step_begin(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.waited += now - self.mark
        self.mark = now

    def on_step_end(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.worked += now - self.mark
        self.mark = now


__all__ = ["LoaderShare"]
