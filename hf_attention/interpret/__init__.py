# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a model attended to, as arrays, pictures and coloured text; for any model that returns attentions."""

from typing import TYPE_CHECKING

from .._extras import lazy_getattr


if TYPE_CHECKING:
    from .alignments import *
    from .app import *
    from .attention_maps import *
    from .channel_gates import *
    from .feature_selection import *
    from .html import *
    from .input_gradients import *
    from .overlays import *
    from .plots import *
    from .positions import *
    from .salient_pixels import *
    from .terminal import *
    from .translation_pipeline import *
    from .views import *
    from .windows import *

# module -> the names exported from it, imported when first used: each module needs other extras
EXPORTS = {
    "alignments": ["Alignment", "align"],
    "app": ["build_app", "launch_app"],
    "attention_maps": ["ImageAttention", "as_seen", "attend"],
    "channel_gates": ["gates_by_class", "plot_gates"],
    "feature_selection": ["accuracy_by_kept", "mutual_information", "plot_kept", "rank_patches"],
    "html": ["alignment_to_html"],
    "overlays": ["overlay", "plot_attention_grid", "plot_heads"],
    "plots": ["plot_alignment"],
    "positions": ["plot_positions", "position_map"],
    "input_gradients": ["saliency"],
    "salient_pixels": ["pixel_saliency"],
    "terminal": ["render_alignment", "render_image"],
    "translation_pipeline": ["TranslationWithAlignmentPipeline"],
    "views": ["View", "view"],
    "windows": ["ImageWindows", "look", "plot_windows"],
}

__all__ = [name for names in EXPORTS.values() for name in names]

__getattr__ = lazy_getattr(__name__, EXPORTS)
