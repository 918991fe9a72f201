# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Command-line arguments that make a training run of a test small."""

SMALL = ["--max_train_samples", "400", "--max_eval_samples", "40", "--disable_tqdm", "true", "--num_beams", "2"]
SMALL += ["--max_source_length", "64", "--max_target_length", "16", "--per_device_train_batch_size", "16"]

SMALL_VISION = ["--disable_tqdm", "true", "--per_device_train_batch_size", "32", "--max_train_samples", "320"]
SMALL_VISION += ["--max_eval_samples", "60", "--image_mean", "0.3", "--image_std", "0.4", "--config_overrides"]
SMALL_VISION += ["image_size=8,num_channels=1,num_conv_layers=1,hidden_size=32,intermediate_size=32"]

SMALL_QUESTIONS = ["--num_train_images", "16", "--num_test_images", "7", "--max_steps", "3", "--disable_tqdm", "true"]
SMALL_QUESTIONS += ["--per_device_eval_batch_size", "4", "--eval_strategy", "no", "--config_overrides"]
SMALL_QUESTIONS += ["conv_channels=[8,8,8],hidden_size=16,attention_size=8,num_glimpses=2"]
