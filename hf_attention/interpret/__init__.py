# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What a model attended to, as arrays, plots and colored text, for every model that returns attentions."""

from typing import TYPE_CHECKING

from .._extras import lazy_getattr


if TYPE_CHECKING:
    from .alignment_plots import *
    from .alignments import *
    from .app import *
    from .channel_gates import *
    from .classical_saliency import *
    from .classifier_maps import *
    from .color_scale import *
    from .feature_selection import *
    from .html import *
    from .image_attention import *
    from .image_windows import *
    from .input_gradients import *
    from .model_loading import *
    from .overlays import *
    from .positions import *
    from .question_pipeline import *
    from .reading_html import *
    from .readings import *
    from .samples import *
    from .terminal import *
    from .translation_pipeline import *
    from .views import *

# module -> the names exported from it, imported when first used: each module needs other extras
EXPORTS = {
    "alignment_plots": ["plot_alignment"],
    "alignments": ["Alignment", "align"],
    "app": ["build_app", "launch_app"],
    "channel_gates": ["gates_by_class", "plot_gates"],
    "classical_saliency": ["pixel_saliency"],
    "classifier_maps": ["ImageMap", "image_maps"],
    "color_scale": ["ColorScale"],
    "feature_selection": ["accuracy_by_kept", "mutual_information", "plot_kept", "rank_patches"],
    "html": ["alignment_to_html"],
    "image_attention": ["ImageAttention", "as_seen", "attend", "attention_maps", "crop_like_processor"],
    "image_windows": ["ImageWindows", "look", "plot_windows", "windows"],
    "input_gradients": ["saliency"],
    "model_loading": ["load_model"],
    "overlays": ["overlay", "plot_attention_grid", "plot_heads"],
    "positions": ["plot_positions", "position_map"],
    "question_pipeline": ["VisualQuestionAnsweringWithAttentionPipeline"],
    "reading_html": ["reading_to_html"],
    "readings": ["Reading", "answer_to_reading", "plot_reading", "read", "render_reading"],
    "samples": ["choose_samples"],
    "terminal": ["render_alignment", "render_image"],
    "translation_pipeline": ["TranslationWithAlignmentPipeline"],
    "views": ["View", "plot_attention", "view"],
}

__all__ = [name for names in EXPORTS.values() for name in names]

__getattr__ = lazy_getattr(__name__, EXPORTS)
