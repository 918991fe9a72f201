# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Old name of `card_merge`."""

from .card_merge import read_card as read_card
