# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import hashlib
import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi, ModelCard, file_exists
from loopback_hub import Fault
from publish import main
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

from hf_attention.hub import publish_model
from hf_attention.hub.card_merge import STAMP_PATTERN, stamp_card
from hf_attention.hub.folder import list_shared
from hf_attention.hub.folder_checks import check_code, check_loads, link_or_copy
from hf_attention.hub.uploads import check_uploads


@pytest.fixture
def folder(small_run, tmp_path):
    """A copy of a finished run that a test may change."""
    return shutil.copytree(
        small_run[0], tmp_path / "bahdanau-small", ignore=shutil.ignore_patterns("checkpoint-*", "assets")
    )


@pytest.fixture
def waits(monkeypatch):
    """The seconds that the client would have waited between its attempts."""
    seconds = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", seconds.append)
    return seconds


def content(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and ".published" not in file.parts
    }


def test_one_commit_holds_everything(hub, small_run):
    folder, _ = small_run
    before = content(folder)
    result = publish_model(str(folder), "alice/dates-model", private=True, tags=["dates"], version="v1")
    repository = hub.repository("alice/dates-model")
    assert repository.private
    assert repository.history == ["Upload model", "initial commit"]
    assert repository.refs["refs/tags/v1"] == repository.refs["refs/heads/main"] == result.oid
    files = repository.files()
    assert set(result.files) == set(files) - {".gitattributes"}
    expected = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "README.md"}
    expected |= {f"{part}_bahdanau.py" for part in ("configuration", "fused", "layers", "modeling")} | {
        "alignments.py"
    }
    expected |= {"translation_pipeline.py", "training_args.json", "assets/alignment.png", "assets/curves.png"}
    assert expected <= set(files)
    assert not [path for path in files if path.endswith((".bin", ".pt")) or path.startswith("checkpoint")]
    assert result.left_out == result.skipped  # its old name
    assert "training_args.bin" in result.skipped
    assert "checkpoint-30" in result.skipped
    assert files["model.safetensors"][1]  # as a large file
    assert {path: files[path][0] for path in files if path in before and path != "README.md"} == {
        path: digest for path, digest in before.items() if path in files and path != "README.md"
    }
    assert "auto_map" in json.loads(hub.read("alice/dates-model", "config.json"))
    card = ModelCard(hub.read("alice/dates-model", "README.md").decode())
    assert 'model="alice/dates-model"' in card.text
    assert "dates" in card.data.tags
    assert content(folder) == before
    # again: nothing has changed, so there is no new commit; and the tag exists
    assert publish_model(str(folder), "alice/dates-model", tags=["dates"]).oid == result.oid
    with pytest.raises(ValueError, match="already has the tag v1"):
        publish_model(str(folder), "alice/dates-model", version="v1")


def test_code_that_differs_from_the_plugin_is_refused(folder, caplog):
    files, _ = list_shared(str(folder))
    check_loads(str(folder), files, trust_remote_code=False)
    assert "max_length" not in caplog.text
    code = folder / "layers_bahdanau.py"
    written = code.read_text()
    code.write_text(written.replace("(-1, 2)).amax(dim=-1)", "(-1, 2)).amin(dim=-1)"))
    assert code.read_text() != written
    with pytest.raises(ValueError, match=r"layers_bahdanau.py. Review it, then pass `trust_remote_code`"):
        publish_model(str(folder), "alice/changed")
    with pytest.raises(ValueError, match=r"gives other (ids|logits) in a process without the plugin"):
        check_loads(str(folder), files, trust_remote_code=False)
    files.remove("layers_bahdanau.py")
    with pytest.raises(ValueError, match=r"does not load in a process without the plugin.*layers_bahdanau"):
        check_loads(str(folder), files, trust_remote_code=False)


def test_files_are_copied_where_links_are_not_permitted(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr("os.symlink", refuse)
    (tmp_path / "config.json").write_text("{}")
    link_or_copy(tmp_path / "config.json", tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_text() == "{}"


def test_a_dry_run_sends_no_request(hub, folder, unchecked, capsys):
    main([str(folder), "alice/small", "--dry_run"])
    shown = capsys.readouterr().out
    assert "model.safetensors\n" in shown
    assert "skipped:" in shown
    assert "would go to alice/small" in shown
    assert not hub.requests
    assert not hub.repositories


def test_commits_to_a_branch_and_a_pull_request(hub, folder, unchecked, capsys):
    main([str(folder), "alice/small", "--commit_message", "First"])
    main([str(folder), "alice/small", "--revision", "next", "--tags", "new", "--commit_message", "Second"])
    repository = hub.repository("alice/small")
    assert repository.history == ["First", "initial commit"]
    assert repository.commits[repository.refs["refs/heads/next"]]["title"] == "Second"
    main([str(folder), "alice/small", "--create_pr", "--tags", "other"])
    assert "/alice/small/discussions/1" in capsys.readouterr().out
    assert repository.history == ["First", "initial commit"]
    assert "refs/pr/1" in repository.refs


def test_a_pull_request_needs_a_repository_and_a_change(hub, folder, unchecked, caplog):
    with pytest.raises(ValueError, match="alice/small is not on the Hub. Publish there once without `create_pr`"):
        publish_model(str(folder), "alice/small", create_pr=True)
    publish_model(str(folder), "alice/small")
    publish_model(str(folder), "alice/small", create_pr=True)
    assert "there was nothing to open a pull request for" in caplog.text
    assert set(hub.repository("alice/small").refs) == {"refs/heads/main"}


def test_tags_are_kept(hub, folder, unchecked):
    publish_model(str(folder), "alice/small", tags=["mine"])
    card = folder / "README.md"
    for words in ("", "Once."):
        card.write_text(card.read_text().replace("## Limits\n", f"## Limits\n\n{words}\n"))
        publish_model(str(folder), "alice/small")
        published = ModelCard(hub.read("alice/small", "README.md").decode())
        assert "mine" in published.data.tags
        assert words in published.text
    assert "mine" not in ModelCard.load(card).data.tags


def test_uploaded_options_hold_no_absolute_paths(hub, folder, unchecked):
    file = folder / "training_args.json"
    options = {"train_file": ["/home/alice/a.de", "/home/alice/a.en"], "dataset_name": "alice/dates", "seed": 1}
    file.write_text(json.dumps({**options, "model_name_or_path": "/home/alice/runs/parent/"}))
    before = content(folder)
    publish_model(str(folder), "alice/small")
    options |= {"train_file": ["a.de", "a.en"], "model_name_or_path": "parent"}
    assert json.loads(hub.read("alice/small", "training_args.json")) == options
    assert content(folder) == before


def test_edits_of_the_card_on_the_hub_are_kept(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    hub.edit("alice/small", "README.md", "## Limits", "## Thanks\n\nTo all.\n\n## Limits")
    hub.put("alice/small", {"notes.md": b"x"})
    results = json.loads((folder / "all_results.json").read_text())
    text = (folder / "README.md").read_text()
    shown = f"{results['test_bleu']:.2f}"
    # as a new run writes it
    (folder / "README.md").write_text(
        stamp_card(ModelCard(STAMP_PATTERN.sub("", text).replace(f"| BLEU | {shown} |", "| BLEU | 99.00 |")))
    )
    publish_model(str(folder), "alice/small")
    card = hub.read("alice/small", "README.md").decode()
    assert "## Thanks\n\nTo all." in card
    assert "| BLEU | 99.00 |" in card
    assert "notes.md" in hub.repository("alice/small").files()


def test_stale_weights_are_replaced_in_the_same_commit(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    repository = hub.repository("alice/small")
    stale = dict.fromkeys(["model-00001-of-00002.safetensors", "pytorch_model.bin"], b"old")
    stale["model.safetensors.index.json"] = b"{}"
    hub.put("alice/small", stale)
    publish_model(str(folder), "alice/small")
    assert not set(stale) & set(repository.files())
    assert "model.safetensors" in repository.files()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small", "must be `user/name`"),
        ("alice/sm all", "alphanumeric"),
        ("alice/small/one", "repo"),
        ("alice/..", "alphanumeric"),
    ],
)
def test_an_invalid_repository_name_is_an_error(hub, name, message):
    with pytest.raises(ValueError, match=message):
        publish_model("nowhere", name)
    assert not hub.requests


def test_secrets_and_incomplete_weights_are_refused(hub, folder, unchecked):
    (folder / "notes.json").write_text('"hf_abcdefghijklmnopqrstuvwxyz"')  # not uploaded, so permitted
    publish_model(str(folder), "alice/small")
    (folder / "training_args.json").write_text('{"hub_token": "hf_alice"}')
    with pytest.raises(ValueError, match=r"training_args.json contains an access token"):
        publish_model(str(folder), "alice/small")
    (folder / "training_args.json").unlink()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="truncated or damaged"):
        publish_model(str(folder), "alice/small")
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"as a pickle \(pytorch_model.bin\).*use_safetensors=False"):
        publish_model(str(folder), "alice/small")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ValueError, match="holds no weights"):
        publish_model(str(folder), "alice/small")
    assert hub.repository("alice/small").history == ["Upload model", "initial commit"]


def test_a_model_of_another_type_is_not_replaced(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    hub.put("alice/small", {"config.json": b'{"model_type": "vit"}'})
    with pytest.raises(ValueError, match=r"alice/small is taken: it holds a model of type vit, not bahdanau"):
        publish_model(str(folder), "alice/small")
    publish_model(str(folder), "alice/small", overwrite=True)
    assert "bahdanau" in hub.read("alice/small", "config.json").decode()


@pytest.mark.parametrize(
    ("token", "repo_id", "message"),
    [
        ("hf_nobody", "alice/small", "requires a valid token"),
        (None, "alice/small", "requires a valid token"),
        ("hf_alice_read", "alice/small", "read-only"),
        ("hf_bob", "alice/small", "belongs to another user"),
    ],
)
def test_a_token_without_write_access_is_an_error(
    hub, folder, unchecked, monkeypatch, capsys, token, repo_id, message
):
    monkeypatch.delenv("HF_TOKEN") if token is None else monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SystemExit) as stopped:
        main([str(folder), repo_id])
    assert message in str(stopped.value)
    assert str(stopped.value).startswith("publish.py: ")
    assert token is None or token not in str(stopped.value) + capsys.readouterr().err
    assert not hub.repositories


def test_the_client_waits_as_long_as_the_hub_asks(hub, folder, unchecked, waits):
    hub.faults.append(Fault("POST .*/preupload/", status=429, headers={"Retry-After": "7"}))
    hub.faults.append(Fault("PUT /storage/", status=503, times=2))
    hub.faults.append(Fault("PUT /storage/", cut=True))
    publish_model(str(folder), "alice/small")
    assert hub.repository("alice/small").history == ["Upload model", "initial commit"]
    assert max(waits) >= 7
    assert len(waits) >= 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("POST /api/repos/create", status=500, times=99), "error 500"),
        (Fault("GET /api/models/alice/small", status=502, times=99), "error 502"),
        (Fault("PUT /storage/", status=500, times=99), "error 500"),
        (Fault("PUT /storage/", cut=True, times=99), "did not confirm the upload"),
        (Fault("POST .*/commit/main", cut=True, times=99), "did not confirm the upload"),
        (Fault("POST .*/commit/main", status=429, times=99), "limits the rate"),
        (Fault("POST .*/objects/batch", status=500, times=99), "error 500"),
    ],
)
def test_a_failed_upload_changes_nothing_and_can_be_repeated(hub, folder, unchecked, waits, fault, message):
    before = content(folder)
    hub.faults.append(Fault(**{**fault.__dict__}))
    with pytest.raises(OSError, match=rf"{message}(.|\n)*run the command again") as raised:
        publish_model(str(folder), "alice/small")
    assert "hf_alice" not in str(raised.value)
    for repository in hub.repositories.values():
        assert repository.history == ["initial commit"]
    assert content(folder) == before
    hub.faults.clear()
    publish_model(str(folder), "alice/small")
    assert hub.repository("alice/small").history == ["Upload model", "initial commit"]
    assert hub.repository("alice/small").files()["model.safetensors"][0] == before["model.safetensors"]


def test_a_lost_response_is_an_error_that_can_be_repeated(hub, folder, unchecked, waits):
    """The Hub creates the commit, but the connection ends before its response."""
    hub.faults.append(Fault("POST .*/commit/main", lose_answer=True))
    with pytest.raises(OSError, match=r"did not confirm the upload(.|\n)*Nothing is half uploaded"):
        publish_model(str(folder), "alice/small")
    repository = hub.repository("alice/small")
    assert repository.history == ["Upload model", "initial commit"]
    assert publish_model(str(folder), "alice/small").oid == repository.refs["refs/heads/main"]


def test_an_unreachable_hub_is_an_error(folder, unchecked, waits):
    with pytest.raises(OSError, match=r"did not confirm the upload to alice/small \(.*run the command again"):
        publish_model(str(folder), "alice/small", api=HfApi(endpoint="http://127.0.0.1:9", token="hf_alice"))


def test_of_two_simultaneous_pushes_one_fails(hub, folder, unchecked, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "all_results.json").write_text("{}")
    publish_model(str(folder), "alice/small")
    hub.faults.append(Fault("POST .*/preupload/", delay=1.0))  # the first is held up, the second overtakes it
    errors = []

    def first():
        try:
            publish_model(str(other), "alice/small", tags=["slow"])
        except OSError as error:
            errors.append(str(error))

    thread = threading.Thread(target=first)
    thread.start()
    while not any("preupload" in line for line in hub.requests[-1:]) and hub.faults[0].times:
        thread.join(0.02)
    publish_model(str(folder), "alice/small", tags=["fast"], commit_message="Overtaking")
    thread.join()
    assert hub.repository("alice/small").history == ["Overtaking", "Upload model", "initial commit"]
    assert len(errors) == 1
    assert "was modified by another push" in errors[0]
    publish_model(str(other), "alice/small", tags=["slow"])
    assert hub.read("alice/small", "all_results.json") == b"{}"


def test_a_slow_hub_is_no_error(hub, folder, unchecked):
    hub.faults.append(Fault(".", delay=0.3, times=30))
    publish_model(str(folder), "alice/small")
    assert file_exists("alice/small", "model.safetensors")


def test_an_interrupted_download_is_resumed(hub, folder, unchecked, tmp_path):
    publish_model(str(folder), "alice/small")
    hub.faults.append(Fault("GET /storage/", cut=True))
    model = AutoModelForSeq2SeqLM.from_pretrained("alice/small", cache_dir=tmp_path / "cache")
    assert any(line.startswith("GET /storage/") and line.endswith(" cut") for line in hub.requests)
    local = AutoModelForSeq2SeqLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(value, local[name]) for name, value in model.state_dict().items())


def test_a_download_that_fails_leaves_no_broken_cache(hub, folder, unchecked, waits, tmp_path):
    publish_model(str(folder), "alice/small")
    hub.faults.append(Fault("GET /storage/", cut=True, times=99))
    with pytest.raises(Exception, match=r".") as raised:
        AutoModelForSeq2SeqLM.from_pretrained("alice/small", cache_dir=tmp_path / "cache")
    assert "hf_alice" not in str(raised.value)
    hub.faults.clear()
    AutoModelForSeq2SeqLM.from_pretrained("alice/small", cache_dir=tmp_path / "cache")


def test_push_to_hub_of_transformers(hub, small_run):
    folder, _ = small_run
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.push_to_hub("alice/own", commit_message="by hand")
    tokenizer.push_to_hub("alice/own")
    files = hub.repository("alice/own").files()
    assert {"model.safetensors", "config.json", "modeling_bahdanau.py", "tokenizer.json"} <= set(files)
    pushed = AutoModelForSeq2SeqLM.from_pretrained("alice/own").state_dict()
    assert all(torch.equal(value, pushed[name]) for name, value in model.state_dict().items())
    pipeline("translation-with-alignment", model=str(folder)).push_to_hub("alice/own")
    assert {"translation_pipeline.py", "alignments.py"} <= set(hub.repository("alice/own").files())
    assert "custom_pipelines" in json.loads(hub.read("alice/own", "config.json"))


def test_edits_in_the_folder_and_on_the_hub_are_merged(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    card = folder / "README.md"
    for words in ("Once.", "Twice."):
        card.write_text(card.read_text().replace("## Limits\n", f"## Limits\n\n{words}\n"))
        publish_model(str(folder), "alice/small")
        assert words in hub.read("alice/small", "README.md").decode()
    hub.edit("alice/small", "README.md", "## Citation", "## Thanks\n\nTo all.\n\n## Citation")
    for before, after in (("Twice.", "Thrice."), ("Thrice.", "Often.")):
        card.write_text(card.read_text().replace(before, after))
        publish_model(str(folder), "alice/small")
        text = hub.read("alice/small", "README.md").decode()
        assert after in text
        assert "To all." in text
        assert before not in text


def test_two_cards_written_by_hand_are_an_error(hub, folder, unchecked):
    (folder / "README.md").write_text("# Mine\n")
    publish_model(str(folder), "alice/small")
    assert hub.read("alice/small", "README.md") == b"# Mine\n"
    hub.edit("alice/small", "README.md", "# Mine", "# Mine\n\n## There\n\nText.")
    publish_model(str(folder), "alice/small")
    assert b"Text." in hub.read("alice/small", "README.md")  # nothing was edited here
    shutil.rmtree(folder / ".published")
    with pytest.raises(ValueError, match="both were written by hand"):
        publish_model(str(folder), "alice/small")
    publish_model(str(folder), "alice/small", overwrite=True)
    assert hub.read("alice/small", "README.md") == b"# Mine\n"


def test_other_files_on_the_hub_are_kept(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    theirs = dict.fromkeys(["embeddings.safetensors", "faiss.index.json", "notes.md"], b"x")
    hub.put("alice/small", theirs)
    publish_model(str(folder), "alice/small", tags=["new"])
    assert set(theirs) <= set(hub.repository("alice/small").files())


def test_a_public_repository_is_not_used_for_a_private_model(hub, folder, unchecked):
    publish_model(str(folder), "alice/small")
    with pytest.raises(ValueError, match="is public already"):
        publish_model(str(folder), "alice/small", private=True)


def test_code_may_have_another_license_header(folder):
    code = folder / "layers_bahdanau.py"
    header, rest = code.read_text().split("\n", 1)
    assert header.startswith("#")
    code.write_text("# Copyright 2026 The hf_attention authors.\n#\n# Licensed under the Apache License\n" + rest)
    check_code(str(folder), trust_remote_code=False)


@pytest.mark.parametrize(
    "header",
    ["# a comment\rimport os\n", "# coding: unicode_escape\n# a comment\\nimport os\n", "\ufeffimport os\n"],
    ids=["carriage return", "encoding", "byte order mark"],
)
def test_code_in_a_license_header_is_foreign(folder, header):
    code = folder / "layers_bahdanau.py"
    code.write_bytes(header.encode() + code.read_bytes())
    with pytest.raises(ValueError, match=r"layers_bahdanau.py. Review it"):
        check_code(str(folder), trust_remote_code=False)


def test_code_of_another_folder_is_refused(hub, folder, tmp_path, monkeypatch):
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoConfig"] = f"{tmp_path / 'evil'}--code.Config"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"evil--code.Config. Review it, then pass `trust_remote_code`"):
        publish_model(str(folder), "alice/small", dry_run=True)
    assert not (tmp_path / "ran").exists()


def test_trusted_code_gets_no_token(hub, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_alice")
    code = folder / "configuration_bahdanau.py"
    code.write_text(code.read_text() + f"\nimport os\nopen({str(tmp_path / 'seen')!r}, 'w').write(str(os.environ))\n")
    publish_model(str(folder), "alice/small", dry_run=True, trust_remote_code=True)
    assert "hf_alice" not in (tmp_path / "seen").read_text()
    assert "PATH" in (tmp_path / "seen").read_text()


def test_a_model_that_needs_an_unshared_file_is_refused(hub, folder):
    """For example a tokenizer under another name."""
    (folder / "tokenizer.json").rename(folder / "pieces.json")
    with pytest.raises(ValueError, match="does not load in a process without the plugin"):
        publish_model(str(folder), "alice/small", dry_run=True)


def test_a_secret_in_a_template_is_refused(hub, folder, unchecked):
    (folder / "chat_template.jinja").write_text("hf_alice")
    with pytest.raises(ValueError, match=r"chat_template.jinja contains an access token"):
        publish_model(str(folder), "alice/small")


def test_any_access_token_is_a_secret(tmp_path):
    token = "hf_" + "aZ" * 17  # as long as one of the Hub's, and not the one in use
    for text in (f'login("{token}")', f"token: {token}\n"):
        (tmp_path / "notes.py").write_text(text)
        with pytest.raises(ValueError, match="notes.py contains an access token"):
            check_uploads(str(tmp_path), ["notes.py"], HfApi(token="hf_alice"))
    (tmp_path / "notes.py").write_text("from hf_attention import hf_and_other_names_that_are_no_tokens")
    check_uploads(str(tmp_path), ["notes.py"], HfApi(token="hf_alice"))


def test_the_error_of_a_failed_tag_names_the_commit(hub, folder, unchecked):
    hub.faults.append(Fault("POST .*/tag/", status=500, times=99))
    with pytest.raises(
        OSError, match=r"The commit was created \(http.*not its tag. Run `hf repos tag create alice/small v1"
    ):
        publish_model(str(folder), "alice/small", version="v1")
    assert hub.repository("alice/small").history == ["Upload model", "initial commit"]


def test_an_unreadable_card_on_the_hub_is_an_error(hub, folder, unchecked, waits):
    publish_model(str(folder), "alice/small")
    hub.faults.append(Fault("(GET|HEAD) /alice/small/resolve/.*README", status=500, times=99))
    with pytest.raises(OSError, match=r"error 500(.|\n)*run the command again"):
        publish_model(str(folder), "alice/small")


def test_unreadable_folders_are_an_error(hub, folder, tmp_path, unchecked):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        publish_model(str(tmp_path / "nowhere"), "alice/small")
    (folder / "README.md").write_bytes("# Café\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"README.md is not in UTF-8"):
        publish_model(str(folder), "alice/small")
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json is not valid JSON"):
        publish_model(str(folder), "alice/small")
    assert not hub.requests
