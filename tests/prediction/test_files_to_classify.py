# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

import logging
import os
import sys

import pytest
from PIL import Image, features

from hf_attention.data.images import open_image
from hf_attention.prediction.files_to_classify import find_image_files


@pytest.fixture(autouse=True)
def log(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("hf_attention"), "propagate", True)
    caplog.set_level("WARNING")
    return caplog


def save(path, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 4), "red").save(path, **kwargs)


def test_the_innermost_folder_with_the_name_of_a_class(tmp_path):
    for name in ("cat/a.png", "cat/dog/b.png", "other/c.png", "d.png", ".hidden/e.png"):
        save(tmp_path / "dog" / name)
    found = {file.path[len(str(tmp_path)) :]: file.true for file in find_image_files([str(tmp_path)], ["cat", "dog"])}
    assert found == {
        "/dog/d.png": "dog",
        "/dog/cat/a.png": "cat",
        "/dog/cat/dog/b.png": "dog",
        "/dog/other/c.png": "dog",
    }
    inside = find_image_files([str(tmp_path / "dog" / "other")], ["cat", "dog"])
    assert [file.true for file in inside] == [None]  # what is above the folder that is named does not count
    assert find_image_files([str(tmp_path / "dog" / "cat" / "a.png")], ["cat"])[0].true == "cat"


def test_names_are_compared_after_composition(tmp_path):
    save(tmp_path / "e\u0301" / "a.png")
    assert find_image_files([str(tmp_path)], ["\u00e9"])[0].true == "\u00e9"


def test_images_without_a_class_and_other_files_are_counted(tmp_path, log):
    save(tmp_path / "cat" / "a.png")
    save(tmp_path / "new" / "b.png")
    (tmp_path / "new" / "c.jxl").write_bytes(b"?")
    assert [file.true for file in find_image_files([str(tmp_path)], ["cat"])] == ["cat", None]
    assert "1 files are not read: 1 .jxl" in log.text
    assert "1 of 2 images have no true class" in log.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not in UTF-8")
def test_a_name_that_no_table_can_have_is_an_error(tmp_path):
    save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/\xff.png")
    with pytest.raises(ValueError, match="is not in UTF-8. Rename it"):
        find_image_files([str(tmp_path)])


def test_a_link_to_the_folder_itself_ends(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(find_image_files([str(tmp_path)])) == 1


@pytest.mark.skipif(not features.check("avif"), reason="this build of PIL cannot write AVIF")
def test_avif_is_read(tmp_path):
    save(tmp_path / "a.avif")
    (file,) = find_image_files([str(tmp_path)])
    assert open_image({"bytes": None, "path": file.path}).size == (8, 4)


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path):
    pytest.importorskip("pillow_heif")
    save(tmp_path / "a.heic")
    (file,) = find_image_files([str(tmp_path)])
    assert open_image({"bytes": None, "path": file.path}).size == (8, 4)


def test_heic_is_counted_where_it_is_not(tmp_path, log, monkeypatch):
    monkeypatch.setattr("hf_attention.prediction.files_to_classify.image_extensions", lambda: {".png"})
    (tmp_path / "a.heic").write_bytes(b"?")
    save(tmp_path / "b.png")
    assert len(find_image_files([str(tmp_path)])) == 1
    assert "1 .heic" in log.text
    assert "pip install 'hf_attention[heic]'" in log.text
