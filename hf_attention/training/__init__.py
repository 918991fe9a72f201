# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the training scripts share: arguments, checks and the order of the steps. The `Trainer` trains."""

from .._extras import require


require(__name__, "accelerate", "datasets", "evaluate", "sklearn", "yaml")
