# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Classify the images of folders and files with a trained model.

    python scripts/classify.py outputs/photos new-photos --output_file predictions.csv
    python scripts/classify.py outputs/photos a.jpg b.png                               # to standard output, as tsv
    python scripts/classify.py outputs/photos new-photos --output_file out.jsonl --top_k 3 --overlays overlays
    python scripts/classify.py outputs/photos photos/test --output_file out.csv --html mistakes.html

A row per image: its file, the most probable classes with their probabilities, and an error if it cannot be read. Where
folders have the names of the model's classes, the column `true` has them. A run that was cut short resumes when the
same command runs again.
"""

import argparse
import hashlib
import os
from pathlib import Path

from transformers.utils import logging

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.data.images import open_image
from hf_attention.interpret.classifier_maps import image_maps
from hf_attention.prediction.classification_file import ClassificationFile
from hf_attention.prediction.files_to_classify import ImageFile, find_image_files
from hf_attention.prediction.image_classifier import Classification, ImageClassifier
from hf_attention.prediction.mistakes import WorstMistakes
from hf_attention.prediction.table_file import STANDARD


ROWS = 1024  # classified and then written


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a folder or a name on the Hub")
    parser.add_argument("images", nargs="+", metavar="FOLDER_OR_FILE", help="folders are searched with all in them")
    parser.add_argument("--output_file", default=STANDARD, help=".tsv, .csv, .jsonl or -")
    parser.add_argument("--top_k", type=int, default=5, help="classes per image")
    parser.add_argument("--overlays", metavar="FOLDER", help="write what the model attended to, over each image")
    parser.add_argument("--html", metavar="FILE", help="write a page of the worst mistakes; needs true classes")
    parser.add_argument("--batch_size", type=int, default=64, help="images per batch")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--revision", help="of a model on the Hub")
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that comes with a model")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    add_debug_option(parser)
    return parser


def write_overlays(
    folder: str, base: str, classifier: ImageClassifier, files: list[ImageFile], results: list[Classification]
) -> None:
    """Writes an overlay for each image that was classified, in folders like those of the images."""
    paths = [file.path for file, result in zip(files, results) if result.error is None]
    for start in range(0, len(paths), classifier.batch_size):
        chunk = paths[start : start + classifier.batch_size]
        images = [open_image({"bytes": None, "path": path}, mode=classifier.mode) for path in chunk]
        for path, image_map in zip(chunk, image_maps(classifier.model, classifier.image_processor, images)):
            target = Path(folder, f"{os.path.relpath(path, base)}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            image_map.overlay().save(target)


def classify(arguments: list[str] | None = None) -> None:
    options = make_parser().parse_args(arguments)
    classifier = ImageClassifier.from_pretrained(
        options.model,
        options.batch_size,
        options.device,
        trust_remote_code=options.trust_remote_code,
        revision=options.revision,
    )
    for folder in options.images if options.overlays else ():
        if Path(folder).is_dir() and Path(options.overlays).resolve().is_relative_to(Path(folder).resolve()):
            raise ValueError(
                f"`overlays` ({options.overlays}) is in {folder}, so the next run would classify the overlays too. "
                "Name a folder outside of it."
            )
    has_classes = classifier.problem_type != "regression"
    files = find_image_files(options.images, classifier.names if has_classes else ())
    has_true = any(file.true is not None for file in files)
    if options.html and not has_true:
        raise ValueError(
            "`html` is a page of mistakes, but no image has a true class: put the images of each class into a folder "
            f"with its name ({', '.join(classifier.names[:5])}{', ...' if len(classifier.names) > 5 else ''})."
        )
    if options.html and not Path(options.html).parent.is_dir():
        raise FileNotFoundError(
            f"`html` is {options.html!r}, but there is no folder {str(Path(options.html).parent)!r}."
        )
    if options.html and os.path.lexists(options.html) and not options.overwrite:
        raise FileExistsError(f"`html` ({options.html}) exists. Name another one, or replace it with `--overwrite`.")
    digest = hashlib.sha256("\0".join(file.path for file in files).encode()).hexdigest()
    run = vars(options) | {"files": f"{len(files)} images (their names have the hash {digest[:16]})"}
    del run["overwrite"], run["debug"]
    output = ClassificationFile(
        options.output_file, classifier.columns(options.top_k), has_true, run, options.overwrite
    )
    mistakes = WorstMistakes()
    mistakes.add(files, output.read())
    base = os.path.commonpath([os.path.dirname(os.path.abspath(file.path)) for file in files])
    with logging.tqdm(total=len(files), initial=output.num_rows, unit=" images", disable=None) as bar:
        while rows := files[output.num_rows : output.num_rows + ROWS]:
            results = classifier.classify([file.path for file in rows], options.top_k, progress=bar.update)
            if options.overlays:
                write_overlays(options.overlays, base, classifier, rows, results)
            mistakes.add(rows, results)
            output.write(rows, results)
    output.finish()
    if options.html:
        mistakes.write(options.html, classifier, options.model)


def main() -> None:
    with errors_in_one_line("classify.py"):
        classify()


if __name__ == "__main__":
    main()
