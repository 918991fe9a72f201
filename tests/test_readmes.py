# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The Markdown pages: their Python runs, their commands have the options they name, and their links lead somewhere."""

import contextlib
import io
import os
import re
import runpy
import shlex
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_attention.data.images import load_digits, open_image


ROOT = Path(__file__).parents[1]
GENERATED = ("tests/hub/golden", "hf_attention/hub/templates", "outputs", "build", ".venv", ".github")
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in ROOT.rglob("*.md") if not str(path.relative_to(ROOT)).startswith(GENERATED)
)
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
COMMANDS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("scripts", {})
COMMANDS = {  # console commands, to the scripts that they run
    name: target.removeprefix("hf_attention.").partition(":")[0].replace(".", "/") + ".py"
    for name, target in COMMANDS.items()
}
# scripts that pass options on
PASSED_ON = {
    "scripts/demo.py": "scripts/train_translation.py",
    "scripts/demo_vision.py": "scripts/train_image_classification.py",
    "scripts/demo_read.py": "scripts/train_image_to_text.py",
    "scripts/demo_ask.py": "scripts/train_visual_question_answering.py",
    "scripts/benchmarks/compare_lineage.py": "scripts/train_image_classification.py",
    "scripts/benchmarks/benchmark_photos.py": "scripts/train_image_classification.py",
    "scripts/benchmarks/benchmark_learning.py": "scripts/train_translation.py",
}


def fenced_blocks(text: str, language: str) -> list[tuple[int, str]]:
    """The code blocks of a language, each with the number of its first line."""
    pattern = rf"^```{language}\n(.*?)^```$"
    matches = re.finditer(pattern, text, flags=re.MULTILINE | re.DOTALL)
    return [(text[: match.start(1)].count("\n") + 1, match.group(1)) for match in matches]


def shell_blocks(text: str) -> list[str]:
    """Fenced blocks of `bash`, and indented blocks."""
    fences = [code for _, code in fenced_blocks(text, "bash")]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return fences + re.findall(r"(?:^ {4}\S.*\n(?:^ *\n(?=^ {4}))?)+", prose, flags=re.MULTILINE)


def shell_commands(text: str) -> list[list[str]]:
    """The words of every command line, its continuation lines joined and its variables replaced."""
    commands = []
    for block in shell_blocks(text):
        variables = {}
        for line in block.replace("\\\n", " ").splitlines():
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            try:
                words = shlex.split(line, comments=True)
            except ValueError:  # an example of data, or of a model's output
                continue
            while words and (assigned := re.fullmatch(r"(\w+)=(.*)", words[0])):
                variables[assigned.group(1)] = assigned.group(2)
                words = words[1:]
            if words:
                commands.append(words)
    return commands


@cache
def known_options(script: str) -> frozenset[str]:
    """The options in the help of a script (a path), a module, or a console command."""
    script = COMMANDS.get(script, script)
    if script in PASSED_ON:
        return known_options(PASSED_ON[script]) | read_options(script)
    return read_options(script)


def read_options(script: str) -> frozenset[str]:
    stdout, environment, arguments = io.StringIO(), dict(os.environ), sys.argv
    sys.argv = [script, "--help"]
    try:
        with contextlib.redirect_stdout(stdout), pytest.raises(SystemExit) as ended:
            if script.endswith(".py"):
                runpy.run_path(str(ROOT / script), run_name="__main__")
            else:
                runpy.run_module(script, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(environment)
    assert not ended.value.code, f"{script} --help failed"
    return frozenset(re.findall(r"(?<![\w-])--?[a-zA-Z]\w*(?:-\w+)*", stdout.getvalue()))


def find_script(words: list[str]) -> int | None:
    """Where a command line names something of this project that takes options."""
    for index, word in enumerate(words):
        if re.fullmatch(r"scripts/[\w/]+\.py", word) or word in COMMANDS:
            return index
        if word.startswith("hf_attention.") and words[index - 1] == "-m":
            return index
    return None


@pytest.fixture
def reader_folder(tmp_path, monkeypatch):
    """Like a clone's root, or, for a card, a folder with the models and an image; what is written there is removed."""

    def change_to(page: str):
        is_card = page.startswith("model_cards/") and (ROOT / page).with_name("all_results.json").exists()
        for path in (ROOT / "model_cards" if is_card else ROOT).iterdir():
            if path.name not in ("outputs", ".git", ".venv"):
                (tmp_path / path.name).symlink_to(path)
        open_image(load_digits()["test"][0]["image"]).save(tmp_path / "image.png")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return change_to


@pytest.fixture
def published_model(hub, monkeypatch):
    """What a page calls user/bahdanau-dates: the model of the repository, on the Hub of the tests."""
    monkeypatch.setitem(hub.tokens, "hf_user", "user")
    monkeypatch.setenv("HF_TOKEN", "hf_user")
    api = HfApi()
    api.create_repo("user/bahdanau-dates")
    api.upload_folder(repo_id="user/bahdanau-dates", folder_path=ROOT / "model_cards" / "bahdanau-dates")
    api.create_tag("user/bahdanau-dates", tag="v1.0")


@pytest.mark.parametrize("page", PAGES)
def test_every_fenced_block_is_of_a_language_that_is_checked_or_is_text(page):
    opened = re.findall(r"^```(.*)$", TEXTS[page], flags=re.MULTILINE)[::2]
    assert set(opened) <= {"python", "bash", "csv", "text"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # a font that is not installed
@pytest.mark.parametrize("page", [page for page in PAGES if fenced_blocks(TEXTS[page], "python")])
def test_python_of_pages_runs_and_prints_what_the_comments_say(page, reader_folder, request):
    reader_folder(page)
    if "user/bahdanau-dates" in "".join(code for _, code in fenced_blocks(TEXTS[page], "python")):
        request.getfixturevalue("published_model")
    namespace = {"__name__": "__main__"}
    for line, code in fenced_blocks(TEXTS[page], "python"):
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            exec(compile("\n" * (line - 1) + code, page, "exec"), namespace)
        printed = stdout.getvalue().splitlines()
        expected = re.findall(r"^ *print\(.*\)  # (.+)$", code, flags=re.MULTILINE)
        assert [text for text in printed if text in expected] == expected, f"{page}:{line} printed {printed}"
    for picture in re.findall(r"interpret/assets/(\w+\.png)", TEXTS[page]):
        if page.endswith("interpret/README.md"):
            assert Path(picture).exists(), f"{page} shows {picture}, which its Python does not draw"


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_pages_name_scripts_and_options_that_exist(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for words in shell_commands(TEXTS[page]):
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, words
        for word in words:
            if word.startswith("scripts/"):
                assert (ROOT / word).exists(), words
        if (index := find_script(words)) is not None:
            options = {word.partition("=")[0] for word in words[index + 1 :] if word.startswith("--")}
            unknown = options - known_options(words[index])
            assert not unknown, f"{page}: {words[index]} has no {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_of_pages_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", TEXTS[page]):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}, which does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, f"{page} links to {target}{anchor}, which is not a heading there"
