# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""What may be uploaded: files inside the folder, without secrets in their text, metadata or compressed content."""

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from huggingface_hub import HfApi, get_token
from PIL import Image
from pyarrow.parquet import ParquetFile


# how a secret begins -> its pattern, strict enough that random bytes, such as weights, do not match
SECRETS = {
    "hf_": r"\bhf_[A-Za-z0-9]{20,}\b",
    "api_org_": r"\bapi_org_[A-Za-z0-9]{20,}\b",
    "ghp_": r"\bghp_[A-Za-z0-9]{36}",
    "gho_": r"\bgho_[A-Za-z0-9]{36}",
    "ghs_": r"\bghs_[A-Za-z0-9]{36}",
    "github_pat_": r"\bgithub_pat_[A-Za-z0-9_]{50}",
    "AKIA": r"\bAKIA[A-Z0-9]{16}\b",
    "AIza": r"\bAIza[A-Za-z0-9_-]{35}",
    "xox": r"\bxox[abeoprs]-[A-Za-z0-9-]{20}",
    "sk-": r"\bsk-[A-Za-z0-9_-]{40}",
    "-----BEGIN ": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
CHUNK, OVERLAP = 1 << 22, 1 << 10  # bytes; the overlap is longer than any secret
MOST = 1 << 30  # bytes that a compressed file may hold
Readable = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def check_uploads(folder: str | Path, paths: list[str], api: HfApi) -> None:
    """
    Raises `ValueError` if a file to be uploaded is a link to somewhere outside of the folder, or contains an access
    token, such as the one in use, or a private key: in its bytes, its metadata, or what is compressed in it.
    """
    search = SecretSearch(api.token if isinstance(api.token, str) else get_token())
    top = Path(folder).resolve()
    for path in paths:
        file = Path(folder, path)
        target = file.resolve()
        if not target.is_relative_to(top):
            raise ValueError(
                f"{file} leads out of the folder, to {target}, which would become public. Replace the link by a copy, "
                "or remove it."
            )
        if not target.is_file():
            raise ValueError(
                f"{file} is a link to a folder, or not a regular file. Replace it by a copy, or remove it."
            )
        where = "in its name" if search.matches(os.fsencode(path)) else search.find(file)
        if where is not None:
            raise ValueError(
                f"{file} contains an access token or a private key ({where}), which would become public. Remove it, "
                "and revoke it if it was shared before."
            )


class SecretSearch:
    """Searches for access tokens, `token` among them, and private keys, in ASCII, UTF-16 and UTF-32."""

    def __init__(self, token: str | None) -> None:
        patterns = {**SECRETS, token: re.escape(token)} if token else SECRETS
        # in UTF-16 and UTF-32, zero bytes are between two characters of ASCII
        starts = [re.escape(zeros.join(name)) for name in patterns for zeros in ("", "\0", "\0\0\0")]
        self.starts = re.compile("|".join(starts).encode())
        self.secret = re.compile("|".join(patterns.values()).encode())

    def matches(self, data: bytes) -> bool:
        for start in self.starts.finditer(data):
            part = data[max(0, start.start() - 4) : start.start() + OVERLAP]
            if self.secret.search(part) or self.secret.search(part.replace(b"\0", b"")):
                return True
        return False

    def matches_stream(self, stream: Readable, most: int | None = None) -> bool:
        """Raises `ValueError` if the stream is longer than `most` bytes."""
        total, last = 0, b""
        while data := stream.read(CHUNK):
            total += len(data)
            if most is not None and total > most:
                raise ValueError(f"it holds more than {most >> 30} GiB when decompressed")
            window = last + data
            if self.matches(window):
                return True
            last = window[-OVERLAP:]
        return False

    def find(self, file: Path) -> str | None:
        """Returns where in a file a secret is, or `None`. Raises `ValueError` for a file that cannot be searched."""
        try:
            with open(file, "rb") as data:
                if self.matches_stream(data):
                    return "in its content"
            for where, content in open_parts(file):
                if self.matches_stream(content, most=MOST):
                    return where
        except Exception as error:  # whatever the readers of the formats raise
            raise ValueError(f"{file} cannot be searched for access tokens ({error}). Fix or remove it.") from error
        return None


def open_parts(file: Path) -> Iterator[tuple[str, Readable]]:
    """Yields what a search of the bytes misses: compressed text of images, archives and tables, and where it is."""
    with open(file, "rb") as data:
        start = data.read(8)
    for magic, decompress in COMPRESSED.items():
        if start.startswith(magic):
            with decompress(file, "rb") as content:
                yield "compressed in it", content
    if start.startswith(b"PK") and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:  # else it was in the bytes
                    with archive.open(member) as content:
                        yield f"in {member.filename}", content
    if start.startswith(b"PAR1"):
        with ParquetFile(file) as table:
            for batch in table.iter_batches():
                yield "in its rows", io.BytesIO(repr(batch.to_pylist()).encode())
    if start.startswith(b"\x89PNG"):
        with Image.open(file) as image:
            image.load()  # text may follow the pixels
            for key, value in image.info.items():
                yield (
                    f"in its metadata `{key}`",
                    io.BytesIO(value if isinstance(value, bytes) else str(value).encode()),
                )
