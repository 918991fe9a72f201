# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from huggingface_hub import RepoCard
from PIL import Image
from publish import main

import hf_attention
from hf_attention.hub import publish_folder, publish_model, write_space


def test_a_published_space_runs_without_the_plugin(hub, small_run, small_vision_run, tmp_path, unchecked, monkeypatch):
    """Its files and its models come from the Hub; nothing of this checkout is imported."""
    publish_model(str(small_run[0]), "alice/dates-model")
    publish_model(str(small_vision_run[0]), "alice/digits-model")
    main([str(tmp_path / "made"), "alice/space", "--space", "--models", "alice/dates-model", "alice/digits-model"])
    assert hub.repository("alice/space", "space").history == ["Upload Space", "initial commit"]
    folder = tmp_path / "space"
    for path in hub.repository("alice/space", "space").files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(hub.read("alice/space", path, kind="space"))
    card = RepoCard.load(folder / "README.md").data
    assert (card.sdk, card.app_file, card.models) == ("gradio", "app.py", ["alice/dates-model", "alice/digits-model"])
    assert re.search(r"^transformers==\d", (folder / "requirements.txt").read_text(), re.MULTILINE)

    environment = {**os.environ, **hub.client_environment(tmp_path / "cache"), "GRADIO_ANALYTICS_ENABLED": "False"}
    # -S and a path of its own leave this checkout's plugin out, as on a machine that has never seen it
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment["PYTHONPATH"] = packages
    app = subprocess.Popen(
        [sys.executable, "-S", "-u", "app.py"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        shown = []
        for line in app.stdout:
            shown.append(line)
            if address := re.search(r"http://127.0.0.1:\d+", line):
                break
        else:
            raise AssertionError("".join(shown))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the client leaves folders
        client = Client(address[0], verbose=False)
        translation, page = client.predict("4. März 2005", 1, api_name="/translate")
        assert isinstance(translation, str)
        assert 'class="alignment' in page
        Image.effect_noise((8, 8), 60).save(tmp_path / "digit.png")
        scores, *_ = client.predict(handle_file(tmp_path / "digit.png"), "layer 1", "head 1", api_name="/classify")
        assert len(scores["confidences"]) == 5
    finally:
        app.kill()
        app.wait()


def test_models_must_be_named_as_on_the_hub(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="'small' is a folder or lacks the user"):
        write_space(tmp_path / "space", ["small"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "run").mkdir(parents=True)
    with pytest.raises(ValueError, match="'outputs/run' is a folder"):
        write_space(tmp_path / "space", ["outputs/run"])
    assert not (tmp_path / "space").exists()


def test_a_missing_model_is_an_error(hub, tmp_path):
    arguments = [str(tmp_path / "space"), "alice/space", "--space", "--models", "alice/nothing"]
    with pytest.raises(SystemExit, match=r"`models`: alice/nothing is not on the Hub"):
        main(arguments)
    assert not hub.repositories
    main([*arguments, "--dry_run"])


def test_writing_a_space_again_removes_old_files(hub, tmp_path):
    write_space(tmp_path / "space", ["alice/model"])
    (tmp_path / "space" / "hf_attention" / "old.py").write_text("")
    write_space(tmp_path / "space", ["alice/model"])
    assert not (tmp_path / "space" / "hf_attention" / "old.py").exists()
    result = publish_folder(tmp_path / "space", "alice/space", "space", commit_message="x", dry_run=True)
    assert "hf_attention/models/bahdanau/modeling_bahdanau.py" in result.files
    assert not hub.requests


def test_a_folder_with_other_files_is_not_changed(hub, tmp_path, monkeypatch):
    """Nor is the checkout that the Space is written from."""
    for name in ("README.md", ".env", "hf_attention"):
        (tmp_path / name).mkdir() if name == "hf_attention" else (tmp_path / name).write_text("mine")
    for kind in (["--space", "--models", "alice/model"], ["--dataset"]):
        with pytest.raises(SystemExit, match=r"holds other files \(.env"):
            main([str(tmp_path), "alice/space", *kind])
        main([str(tmp_path), "alice/space", *kind, "--dry_run"])  # writes nothing
    assert (tmp_path / "README.md").read_text() == "mine"
    assert not (tmp_path / "app.py").exists()
    assert not hub.repositories
    checkout = Path(hf_attention.__file__).parents[1]
    with pytest.raises(ValueError, match="holds other files"):
        write_space(checkout, ["alice/model"])
    assert (checkout / "hf_attention" / "models").is_dir()


def test_edits_of_the_card_on_the_hub_are_kept(hub, tmp_path):
    for edit in (False, True):
        write_space(tmp_path / "space", ["alice/model"] if not edit else ["alice/model", "alice/other"])
        publish_folder(tmp_path / "space", "alice/space", "space", commit_message="x")
        if not edit:
            hub.edit("alice/space", "README.md", "Shows `alice/model`", "## Mine\n\nShows `alice/model`", kind="space")
    card = hub.read("alice/space", "README.md", kind="space").decode()
    assert "## Mine" in card
    assert "- alice/other" in card.split("---")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "u/b", "--space"], "--space needs --models"),
        (["a", "u/b", "--models", "u/c"], "--models are for --space"),
        (["a", "u/b", "--dataset", "--version", "v1"], "--version are for models"),
    ],
)
def test_arguments_that_do_not_go_together_are_an_error(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
