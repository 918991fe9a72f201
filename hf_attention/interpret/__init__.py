# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a model attended to, as arrays, pictures and coloured text; on any model that returns attentions."""

from typing import TYPE_CHECKING

from transformers.utils import _LazyModule
from transformers.utils.import_utils import define_import_structure


if TYPE_CHECKING:
    from .alignments import *
    from .app import *
    from .attention_maps import *
    from .channel_gates import *
    from .feature_selection import *
    from .html import *
    from .overlays import *
    from .plots import *
    from .positions import *
    from .saliency import *
    from .salient_pixels import *
    from .terminal import *
    from .translation_pipeline import *
    from .views import *
    from .windows import *
else:
    import sys

    _file = globals()["__file__"]
    sys.modules[__name__] = _LazyModule(__name__, _file, define_import_structure(_file), module_spec=__spec__)
