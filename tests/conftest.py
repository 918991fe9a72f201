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
import pytest
import yaml
from train_translation import main


SMALL = ["--max_train_samples", "400", "--max_eval_samples", "40", "--disable_tqdm", "true", "--num_beams", "2"]
SMALL += ["--max_source_length", "64", "--max_target_length", "16", "--per_device_train_batch_size", "16"]


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A folder that `scripts/train_translation.py` left: a tiny model, trained on dates for 30 steps from a recipe."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = {
        "preset": "tiny",
        "max_steps": 30,
        "learning_rate": "3e-3",
        "eval_strategy": "steps",
        "eval_steps": 15,
        "logging_steps": 5,
        "save_steps": 15,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    output_dir = folder / "bahdanau-small"
    results = main([str(folder / "recipe.yaml"), "--output_dir", str(output_dir), *SMALL])
    return output_dir, results
