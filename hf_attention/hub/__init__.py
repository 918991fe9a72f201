# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Sharing: cards filled from real runs, publishing, and what is made to be published."""

from typing import TYPE_CHECKING

from transformers.utils import _LazyModule
from transformers.utils.import_utils import define_import_structure


if TYPE_CHECKING:
    from .dataset import *
    from .export import *
    from .image_card import *
    from .onnx_translator import *
    from .publish import *
    from .space import *
    from .translation_card import *
else:
    import sys

    _file = globals()["__file__"]
    sys.modules[__name__] = _LazyModule(__name__, _file, define_import_structure(_file), module_spec=__spec__)
