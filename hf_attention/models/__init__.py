# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""One folder a model family. Importing `hf_attention` registers them all with the Auto classes."""
