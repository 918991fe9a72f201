# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The scripts, installed as `hf_attention.scripts`: the package that the console commands are in."""
