# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
A fake accelerator, "far", for machines without a real one: its tensors are in the CPU's memory and are computed there
but, as on a GPU, cannot be mixed with CPU tensors, and each wait for a result is counted.

PyTorch takes one such device in a process, and every library then sees it: hence `test_fake_accelerator.py` starts the
tests in a process of their own.
"""

from contextlib import contextmanager

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend


aten = torch.ops.aten
WAITING = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.unique_dim, aten._unique2}
WAITING |= {aten.unique_consecutive, aten.bincount, aten.repeat_interleave, aten.linalg_inv_ex}
# functions of lengths, which lie on the CPU, and which of their arguments these are
PACKING = {aten._pack_padded_sequence.default: 1, aten._pack_padded_sequence_backward.default: 2}
PACKING |= {aten._pad_packed_sequence.default: 1}


class FarModule(_DummyBackendModule):
    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]


_setup_privateuseone_for_python_backend("far", backend_module=FarModule())
FAR = torch.device("far:0")


class FarTensor(torch.Tensor):
    @staticmethod
    def __new__(cls, near: torch.Tensor):
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, near.size(), dtype=near.dtype, device=FAR, **layout)

    def __init__(self, near: torch.Tensor):
        self.near = near

    def tolist(self):  # PyTorch's own refuses subclasses
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


class Far(TorchDispatchMode):
    """Within it tensors are made on, and moved to, the device; `waits` names what waited for its results."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if waits_for_results(function, args, kwargs):
            self.waits.append(str(function))
        return run(function, args, kwargs)


def waits_for_results(function, args, kwargs) -> bool:
    if not any(isinstance(value, FarTensor) for value in tree_leaves(args)):
        return False
    if function is aten.copy_.default:
        return not isinstance(args[0], FarTensor)
    if function is aten._to_copy.default:
        return torch.device(kwargs.get("device") or FAR).type != "far"
    if function.overloadpacket in (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_):
        return any(index is not None and index.dtype == torch.bool for index in args[1])
    return function.overloadpacket in WAITING


def run(function, args, kwargs):
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    far = [value for value in given if isinstance(value, FarTensor)]
    moves = function in (aten._to_copy.default, aten.copy_.default)
    near = [value for value in given if not isinstance(value, FarTensor)]
    if function in PACKING:  # by lengths on the CPU
        near = [value for value in far if value is args[PACKING[function]]]
    elif torch.Tag.pointwise in function.tags:
        near = [value for value in near if value.dim() > 0]
    if far and near and not moves:
        shapes = [[tuple(value.shape) for value in values] for values in (far, near)]
        raise RuntimeError(f"{function}: of shapes {shapes[0]} on {FAR}, of shapes {shapes[1]} on the CPU")

    device = kwargs.get("device")
    if function is aten.copy_.default:
        is_far = isinstance(args[0], FarTensor)
    else:
        is_far = bool(far) if device is None else torch.device(device).type == "far"
    here, named = tree_map(lambda value: value.near if isinstance(value, FarTensor) else value, (args, kwargs))
    if device is not None:
        named["device"] = torch.device("cpu")
    result = WRITTEN_OUT.get(function, function)(*here, **named)
    if torch.Tag.inplace_view in function.tags:
        with no_dispatch():
            function(*args, **kwargs)
        return args[0]
    if not is_far:
        return result
    same = {id(value.near): value for value in far}  # of functions in place and with `out=`

    def wrap(value):
        if not isinstance(value, torch.Tensor):
            return value
        return same[id(value)] if id(value) in same else FarTensor(value)

    if function is aten._pack_padded_sequence.default:
        return wrap(result[0]), result[1]
    return tree_map(wrap, result)


# cells that PyTorch has for accelerators alone, by the equations of `nn.GRUCell` and `nn.LSTMCell`


def gru_cell(inputs, recurrent, state, input_bias=None, recurrent_bias=None):
    if input_bias is not None:
        inputs, recurrent = inputs + input_bias, recurrent + recurrent_bias
    (reset, update, new), (its_reset, its_update, its_new) = inputs.chunk(3, 1), recurrent.chunk(3, 1)
    reset, update = (reset + its_reset).sigmoid(), (update + its_update).sigmoid()
    new = (new + reset * its_new).tanh()
    return new + update * (state - new), torch.cat([reset, update, new, state, its_new], 1)


def gru_cell_backward(slope, workspace, has_bias):
    reset, update, new, state, its_new = workspace.chunk(5, 1)
    d_new = slope * (1 - update) * (1 - new * new)
    d_update = slope * (state - new) * update * (1 - update)
    d_reset = d_new * its_new * reset * (1 - reset)
    d_inputs = torch.cat([d_reset, d_update, d_new], 1)
    d_recurrent = torch.cat([d_reset, d_update, d_new * reset], 1)
    d_biases = (d_inputs.sum(0), d_recurrent.sum(0)) if has_bias else (None, None)
    return d_inputs, d_recurrent, slope * update, *d_biases


def lstm_cell(inputs, recurrent, memory, input_bias=None, recurrent_bias=None):
    gates = inputs + recurrent if input_bias is None else inputs + recurrent + input_bias + recurrent_bias
    taken, kept, cell, given = gates.chunk(4, 1)
    taken, kept, cell, given = taken.sigmoid(), kept.sigmoid(), cell.tanh(), given.sigmoid()
    after = kept * memory + taken * cell
    return given * after.tanh(), after, torch.cat([taken, kept, cell, given], 1)


def lstm_cell_backward(d_hidden, d_after, memory, after, workspace, has_bias):
    taken, kept, cell, given = workspace.chunk(4, 1)
    shown = after.tanh()
    slope = 0 if d_after is None else d_after
    if d_hidden is not None:
        slope = slope + d_hidden * given * (1 - shown * shown)
    d_given = 0 * given if d_hidden is None else d_hidden * shown * given * (1 - given)
    d_taken, d_kept = slope * cell * taken * (1 - taken), slope * memory * kept * (1 - kept)
    d_gates = torch.cat([d_taken, d_kept, slope * taken * (1 - cell * cell), d_given], 1)
    return d_gates, slope * kept, d_gates.sum(0) if has_bias else None


WRITTEN_OUT = {
    aten._thnn_fused_lstm_cell.default: lstm_cell,
    aten._thnn_fused_lstm_cell_backward_impl.default: lstm_cell_backward,
    aten._thnn_fused_gru_cell.default: gru_cell,
    aten._thnn_fused_gru_cell_backward.default: gru_cell_backward,
}
library = torch.library.Library("aten", "IMPL", "PrivateUse1")


# what PyTorch asks of a device beneath the mode


def empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=False):
    return FarTensor(torch.empty_strided(size, stride, dtype=dtype))


def empty(size, dtype=None, layout=None, device=None, pin_memory=False, memory_format=None):
    return FarTensor(torch.empty(size, dtype=dtype))


def copy_from(given, into, non_blocking=False):
    return run(aten.copy_.default, (into, given), {})


library.impl("empty_strided", empty_strided)
library.impl("empty.memory_format", empty)
library.impl("_copy_from", copy_from)


@contextmanager
def on_far():
    """Where modules, too, can be moved to the device, and backward runs in this thread."""
    kept = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with torch.autograd.set_multithreading_enabled(False), Far() as far:
            yield far
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(kept)


def near(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.near if isinstance(tensor, FarTensor) else tensor
