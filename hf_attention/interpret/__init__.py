# Copyright 2026 The hf_attention authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
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
