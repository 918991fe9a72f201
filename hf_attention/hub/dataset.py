# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The embedded dates as a data set for the Hub: parquet files and a card."""

from pathlib import Path

from babel import __version__ as babel_version
from datasets import DatasetDict
from huggingface_hub import DatasetCard, DatasetCardData

from ..data.dates import FIRST, LAST, LOCALES, load_dates
from .card import CARD
from .card_merge import stamp_card, update_card
from .folder import check_only_contains, read_text, write_text


TEMPLATE = Path(__file__).parent / "templates" / "dates_dataset_card.md"
# the Hub's size categories, and their limits
SIZES = {"n<1K": 1000, "1K<n<10K": 10_000, "10K<n<100K": 100_000, "100K<n<1M": 1_000_000}


def write_dates_dataset(folder: str | Path, repo_id: str, data: DatasetDict | None = None) -> DatasetCard:
    """
    Writes the dates into `folder` in the layout that `load_dataset` reads from the Hub: `data/*.parquet`, `README.md`.

    Args:
        repo_id (`str`): the name on the Hub, for the examples in the card.
        data (`DatasetDict`, *optional*): the dates; defaults to [`~hf_attention.data.dates.load_dates`].

    Raises:
        `ValueError`: for a folder that holds other files.
    """
    check_only_contains(folder, {"data", CARD})
    data = data or load_dates()
    files = []
    for split, rows in data.items():
        path = f"data/{split}-00000-of-00001.parquet"
        Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(Path(folder, path))
        files.append({"split": split, "path": f"data/{split}-*"})
    rows = sum(part.num_rows for part in data.values())
    card_data = DatasetCardData(
        pretty_name="Dates as people write them",
        language=sorted({locale.split("_")[0] for locale in LOCALES}),
        license="apache-2.0",
        task_categories=["translation"],
        size_categories=[size for size, most in SIZES.items() if rows < most][:1],
        tags=["dates", "text-normalization", "alignment", "synthetic"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    card = DatasetCard.from_template(
        card_data,
        template_path=str(TEMPLATE),
        repo_id=repo_id,
        splits={split: f"{part.num_rows:,}" for split, part in data.items()},
        examples=[(row["source"], row["target"], row["locale"], row["alignment"]) for row in data["test"].take(5)],
        locales=", ".join(LOCALES),
        first=FIRST.year,
        last=LAST.year,
        babel_version=babel_version,
    )
    text = update_card(read_text(Path(folder, CARD)), stamp_card(card))
    write_text(Path(folder, CARD), text)
    return DatasetCard(text)


__all__ = ["write_dates_dataset"]
