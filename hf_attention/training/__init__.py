# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What the training scripts share. `Trainer` trains; this is arguments, checks and the order of the steps."""
