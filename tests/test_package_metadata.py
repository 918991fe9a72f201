# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import re
import tomllib
from pathlib import Path

import yaml

import hf_attention


ROOT = Path(__file__).parents[1]


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == hf_attention.__version__


def test_the_oldest_tested_versions_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["training"]]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in requirements if ">=" in line)
    oldest = dict(re.findall(r"([\w-]+)==([\d.]+)", re.search(r"^OLDEST.*", (ROOT / "Makefile").read_text(), re.M)[0]))
    for package, bound in bounds.items():
        assert oldest[package].startswith(bound), package
