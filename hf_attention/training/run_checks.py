# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Whether a run has trained: it made a step, and its loss and weights are finite."""

import copy
from collections.abc import Callable, Mapping

import torch
from datasets import Dataset, IterableDataset
from torch import nn
from torch.distributed.tensor import DTensor
from transformers import SchedulerType, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import TrainOutput
from transformers.training_args import OptimizerNames


REMEDY = (
    "Lower `learning_rate`, set `max_grad_norm` or more `warmup_steps`, and check that the data and the starting "
    "weights are finite."
)

# a model that knows nothing has the logarithm of the number of classes or tokens, about 10
MAX_LOSS = 10_000


class FiniteCallback(TrainerCallback):
    """
    Raises `ValueError` when the loss is huge or NaN, or the weights are not finite. The weights are checked before
    they are logged, evaluated or saved, so that no checkpoint holds invalid ones.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if control.should_log or control.should_evaluate or control.should_save:
            check_weights_finite(self.trainer)

    on_epoch_end = on_step_end

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        # the scaler of fp16 skips steps whose gradients overflow
        if not args.fp16:
            check_losses(logs or {}, state.global_step)


def check_losses(metrics: dict, step: int) -> None:
    """Raises `ValueError` for a loss that is NaN or higher than `MAX_LOSS`."""
    for name, value in metrics.items():
        if name.endswith("loss") and isinstance(value, (int, float)) and not abs(value) < MAX_LOSS:
            raise ValueError(f"Training diverged: `{name}` is {value} at step {step}. {REMEDY}")


def check_weights_finite(trainer: Trainer) -> None:
    """Raises `ValueError` if a weight is not finite or was never set, on any process."""
    assert trainer.model is not None
    names = weights_not_finite(trainer.model)
    count = torch.tensor(len(names), device=trainer.args.device)
    if int(trainer.accelerator.reduce(count, "sum")):
        some = ", ".join(f"`{name}`" for name in names[:3]) or "some of another process"
        raise ValueError(
            f"Training diverged: at step {trainer.state.global_step} weights are not finite ({some}). {REMEDY}"
        )


@torch.no_grad()
def weights_not_finite(model: nn.Module) -> list[str]:
    """
    Returns the names of parameters that are not finite or not set (on the meta device), and of buffers with NaN, since
    a buffer may be infinite on purpose, as a mask.
    """
    weights: list[tuple[str, torch.Tensor, Callable]] = []
    weights += [(name, value, torch.isfinite) for name, value in model.named_parameters()]
    weights += [(name, value, lambda values: ~torch.isnan(values)) for name, value in model.named_buffers()]
    unset = [name for name, value, _ in weights if value.is_meta]
    weights = [weight for weight in weights if weight[1].is_floating_point() and not weight[1].is_meta]
    good = [
        test(value.to_local() if isinstance(value, DTensor) else value.detach()).all() for _, value, test in weights
    ]
    # one transfer from the device
    are_good = torch.stack([flag.to(good[0].device) for flag in good]).tolist() if good else []
    return unset + [name for (name, _, _), is_good in zip(weights, are_good) if not is_good]


def check_can_step(trainer: Trainer) -> None:
    """Raises `ValueError` if `dataloader_drop_last` leaves no batch to train on."""
    args, data = trainer.args, trainer.train_dataset
    size = args.train_batch_size * args.world_size
    if not isinstance(data, Dataset):  # a stream, or the data of a `Trainer` that no recipe made
        return
    if args.dataloader_drop_last and len(data) < size:
        processes = f" x {args.world_size} processes" if args.world_size > 1 else ""
        raise ValueError(
            f"`dataloader_drop_last` drops all {len(data)} training examples, which are fewer than a batch "
            f"({args.train_batch_size}{processes}): lower `per_device_train_batch_size`, or leave it out."
        )


def check_optim_args(args: TrainingArguments) -> None:
    """Raises `ValueError` for a name in `optim_args` that transformers does not read for the optimizer."""

    def read(optim_args: str | None) -> tuple:
        changed = copy.copy(args)
        changed.optim_args = optim_args
        return Trainer.get_optimizer_cls_and_kwargs(changed)

    for pair in (pair for pair in (args.optim_args or "").split(",") if "=" in pair):
        name = pair.partition("=")[0].strip()
        try:
            is_ignored = read(f"{name}=?") == read(None)
        except Exception:  # of any kind: it is read, and "?" is not a value
            is_ignored = False
        if is_ignored:
            optim = OptimizerNames(args.optim).value
            raise ValueError(f"`optim_args`: `{name}` has no effect on `optim` {optim!r}. Leave it out.")


def rehearse(trainer: Trainer, splits: Mapping[str, Dataset | IterableDataset]) -> None:
    """
    Creates the optimizer and its schedule, and evaluates two examples, so that arguments which these cannot use are an
    error before training, which it leaves as if nothing had been done.

    Args:
        trainer (`Trainer`): of the run.
        splits (`Mapping`): the rows of `validation` or `test`, if there are any.
    """
    args, accelerator = trainer.args, trainer.accelerator
    check_can_step(trainer)
    check_optim_args(args)
    evaluated = {split: rows for split in ("validation", "test") if isinstance(rows := splits.get(split), Dataset)}
    size = args.eval_batch_size * args.world_size if args.dataloader_drop_last else 2
    for split, rows in evaluated.items():
        if args.dataloader_drop_last and len(rows) < size:
            raise ValueError(
                f"`dataloader_drop_last` drops all {len(rows)} examples of the {split} split, which are fewer than a "
                f"batch ({size}): lower `per_device_eval_batch_size`, or leave it out."
            )
    if not trainer.place_model_on_device:  # it is sharded or moved when training begins
        return
    try:
        trainer.create_optimizer_and_scheduler(num_training_steps=max(args.max_steps, 1))
    except (ArithmeticError, AttributeError, ImportError, RuntimeError, TypeError, ValueError) as error:
        optim, schedule = OptimizerNames(args.optim).value, SchedulerType(args.lr_scheduler_type).value
        raise ValueError(
            f"`optim` {optim!r} with `optim_args` {args.optim_args!r}, or `lr_scheduler_type` {schedule!r} with "
            f"`lr_scheduler_kwargs` {args.lr_scheduler_kwargs!r}, cannot be used: {error}"
        ) from error
    finally:
        trainer.optimizer = trainer.lr_scheduler = None
        trainer._created_lr_scheduler = False
    if not evaluated:
        return
    split, rows = next(iter(evaluated.items()))
    devices = [args.device] if args.device.type == "cuda" else []
    trainer.is_in_train = True  # otherwise a full evaluation in half precision would change the weights
    accelerator._models.append(trainer.model)  # otherwise the model would be prepared for evaluation
    try:
        with torch.random.fork_rng(devices):
            prefix = "test" if split == "test" else "eval"
            trainer.predict(rows.select(range(min(size, len(rows)))), metric_key_prefix=prefix)
    finally:
        trainer.is_in_train = False
        accelerator.free_memory()


def check_trained(trainer: Trainer, output: TrainOutput) -> None:
    """Raises `ValueError` if training made no step, or ended with a loss or weights that are not finite."""
    if output.global_step == 0:
        raise ValueError("Training made no step: the data has no complete batch. Lower `per_device_train_batch_size`.")
    check_losses({"train_loss": output.training_loss}, output.global_step)
    check_weights_finite(trainer)


__all__ = ["FiniteCallback", "check_can_step", "check_trained", "rehearse", "weights_not_finite"]
