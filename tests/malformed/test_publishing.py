# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Folders to publish that hold links out of them, secrets in any kind of file, or damaged cards."""

import bz2
import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from huggingface_hub import HfApi
from PIL import Image, PngImagePlugin
from safetensors.torch import load_file, save_file

from hf_attention.hub import publish, publish_folder, publish_model
from hf_attention.hub.card_merge import STAMP
from hf_attention.hub.publish import list_files
from hf_attention.hub.uploads import check_uploads


ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "aZ9" * 11  # has the form of a token of the Hub


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """Loading in a separate process has a test of its own."""
    monkeypatch.setattr(publish, "check_loads", lambda *_: None)


@pytest.fixture
def assets(folder) -> Path:
    (folder / "assets").mkdir()
    return folder / "assets"


def publish_dry(folder: Path) -> list[str]:
    return publish_model(folder, "alice/small", dry_run=True).files


def link_file(folder: Path, outside: Path) -> str:
    (folder / "assets").mkdir()
    (folder / "assets" / "curves.png").symlink_to(outside / "secret.txt")
    return "curves.png"


def link_folder(folder: Path, outside: Path) -> str:
    (folder / "assets").symlink_to(outside)
    return "secret.txt"


def link_by_dots(folder: Path, outside: Path) -> str:
    (folder / "README.md").symlink_to(f"../{outside.name}/secret.txt")
    return "README.md"


def link_to_link(folder: Path, outside: Path) -> str:
    (folder / "hop").symlink_to(outside / "secret.txt")
    (folder / "README.md").symlink_to("hop")
    return "README.md"


def link_in_a_folder(folder: Path, outside: Path) -> str:
    (folder / "onnx").mkdir()
    (folder / "onnx" / "notes.json").symlink_to(outside / "secret.txt")
    (folder / "target_tokenizer").symlink_to(outside)
    return "secret.txt"


def link_config(folder: Path, outside: Path) -> str:
    (outside / "config.json").write_bytes((folder / "config.json").read_bytes())
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(outside / "config.json")
    return "config.json"


LINKS = [link_file, link_folder, link_by_dots, link_to_link, link_in_a_folder, link_config]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.__name__)
def test_links_out_of_the_folder_are_refused(folder, tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("{}")
    name = link(folder, outside)
    with pytest.raises(ValueError, match=rf"{name} leads out of the folder, to .*outside.*Replace the link by a copy"):
        publish_dry(folder)


def test_links_inside_the_folder_are_uploaded(folder):
    (folder / "notes.md").write_text("# A card\n")
    (folder / "README.md").symlink_to("notes.md")
    assert "README.md" in publish_dry(folder)


@pytest.mark.parametrize(
    "name", ["README.md", "model-extra.safetensors", "notes.py", "assets/pipe.png", "pytorch.bin"]
)
def test_pipes_and_broken_links_are_left_out(folder, name):
    (folder / "assets").mkdir()
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    (folder / "assets" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "assets" / "loop.png").symlink_to("loop.png")
    files = publish_dry(folder)
    assert "config.json" in files
    assert not {name, "assets/gone.png", "assets/loop.png"} & set(files)


def test_a_pipe_instead_of_the_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"holds no weights \(model.safetensors\)"):
        publish_dry(folder)


def test_links_in_the_folder_of_a_space_are_refused(tmp_path):
    space = tmp_path / "space"
    space.mkdir()
    (space / "app.py").write_text("print()")
    (space / "data").symlink_to("/etc")
    with pytest.raises(ValueError, match=r"data leads out of the folder, to /etc"):
        publish_folder(space, "alice/space", "space", dry_run=True)


def in_text(assets: Path) -> None:
    (assets / "notes.svg").write_text(f"<svg><desc>{TOKEN}</desc></svg>")


def in_utf16(assets: Path) -> None:
    (assets / "notes.txt").write_text(f"the token is {TOKEN}.", "utf-16")


def in_png_text(assets: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", TOKEN)
    Image.new("L", (4, 4)).save(assets / "a.png", pnginfo=text)


def in_compressed_png_text(assets: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", f"made with {TOKEN} " * 9, zip=True)
    Image.new("L", (4, 4)).save(assets / "a.png", pnginfo=text)


def in_exif(assets: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = f"by {TOKEN}"  # ImageDescription
    Image.new("L", (4, 4)).save(assets / "a.jpg", exif=exif)


def after_the_pixels(assets: Path) -> None:
    Image.new("L", (4, 4)).save(assets / "a.jpg")
    with open(assets / "a.jpg", "ab") as file:
        file.write(TOKEN.encode())


def in_gzip(assets: Path) -> None:
    (assets / "events.gz").write_bytes(gzip.compress(b"x" * 5000 + f" {TOKEN}".encode()))


def in_bzip(assets: Path) -> None:
    (assets / "log.bz2").write_bytes(bz2.compress(f"token={TOKEN}".encode()))


def in_zip(assets: Path) -> None:
    with zipfile.ZipFile(assets / "run.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.txt", f"{TOKEN}\n" * 50)


def in_arrays(assets: Path) -> None:
    np.savez_compressed(assets / "a.npz", note=np.array([f"token {TOKEN}"] * 9))


def in_parquet(assets: Path) -> None:
    table = pyarrow.table({"text": [f"a {TOKEN} b"] * 30, "number": list(range(30))})
    pyarrow.parquet.write_table(table, assets / "rows.parquet", compression="zstd")


def in_notebook(assets: Path) -> None:
    cell = {"cell_type": "code", "source": [f'login("{TOKEN}")'], "outputs": []}
    (assets / "notes.ipynb").write_text(json.dumps({"cells": [cell]}))


def in_metadata_of_weights(assets: Path) -> None:
    file = assets.parent / "model.safetensors"
    save_file(load_file(file), file, {"format": "pt", "note": TOKEN})


def in_a_name(assets: Path) -> None:
    (assets / f"{TOKEN}.png").write_bytes(b"")


def across_chunks(assets: Path) -> None:
    (assets / "large.bin").write_bytes(b" " * ((1 << 22) - 9) + TOKEN.encode() + b" " * 99)


PLACES = [in_text, in_utf16, in_png_text, in_compressed_png_text, in_exif, after_the_pixels, in_gzip, in_bzip, in_zip]
PLACES += [in_arrays, in_parquet, in_notebook, in_metadata_of_weights, in_a_name, across_chunks]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_secrets_are_found_in_every_kind_of_file(assets, place):
    place(assets)
    with pytest.raises(ValueError, match=r"contains an access token or a private key \(.*Remove it, and revoke it"):
        publish_dry(assets.parent)


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 12,
        "AKIA" + "ABCD" * 4,
        "AIza" + "a1B2_" * 7,
        "xoxb-" + "12345-" * 5,
        "sk-" + "proj-" + "a1B2" * 10,
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    ],
)
def test_secrets_of_other_services_are_found(assets, secret):
    (assets / "notes.txt").write_text(f"The secret: {secret}\n")
    with pytest.raises(ValueError, match=r"notes.txt contains an access token or a private key"):
        publish_dry(assets.parent)


def test_random_bytes_and_this_repository_hold_no_secrets(tmp_path):
    (tmp_path / "weights.bin").write_bytes(np.random.default_rng(0).bytes(1 << 24))
    api = HfApi(token="hf_alice")
    check_uploads(tmp_path, ["weights.bin"], api)
    for folder in ("model_cards", "hf_attention", "scripts"):
        files = [name for name in list_files(ROOT / folder) if "__pycache__" not in name]
        assert files
        check_uploads(ROOT / folder, files, api)


def test_a_file_that_cannot_be_searched_is_named(assets):
    content = gzip.compress(os.urandom(5000))
    (assets / "cut.gz").write_bytes(content[:-500])
    with pytest.raises(ValueError, match=r"cut.gz cannot be searched for access tokens \(.*Fix or remove it"):
        publish_dry(assets.parent)


@pytest.mark.parametrize(
    "text",
    ["\n" * 300_000, "---\n" * 50_000, "---\nunclosed: [", "## A\n" * 50_000, "\x00\x01", "<!-- " * 50_000, "---", ""],
    ids=lambda text: f"{text[:8]!r} and {len(text)} characters",
)
def test_any_text_is_a_card(folder, text):
    (folder / "README.md").write_text(text, encoding="utf-8", newline="")
    assert "README.md" in publish_dry(folder)


@pytest.mark.parametrize(
    "text, words",
    [
        ("---\na: [\n---\n", "metadata at the top of README.md is not valid YAML"),
        ("---\n- a\n---\n", "metadata at the top of README.md is not a list of `name: value`"),
        (f"# A\n\n<!-- {STAMP}: {{x}} -->\n", "comment with digests in README.md is damaged"),
    ],
)
def test_a_damaged_card_is_named(folder, text, words):
    (folder / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        publish_dry(folder)
