# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Publish a trained model, the dates data set or a Space on the Hub, in one commit, after checking that it loads.

    python scripts/publish.py outputs/bahdanau-dates user/bahdanau-dates --private
    python scripts/publish.py outputs/bahdanau-dates user/bahdanau-dates --dry_run
    python scripts/publish.py outputs/dates user/dates --dataset
    python scripts/publish.py outputs/space user/attention --space --models user/bahdanau-dates user/compact-vit-digits
"""

import argparse
import tempfile
from contextlib import nullcontext

import hf_attention  # noqa: F401  (registers the models)
from hf_attention._command_line import add_debug_option, errors_in_one_line
from hf_attention.hub import publish_folder, publish_model, write_dates_dataset, write_space
from hf_attention.hub.publish import check_models


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model's folder; with --dataset or --space, the folder to create")
    parser.add_argument("repo_id", help="user/name")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--dataset", action="store_true", help="create and publish the dates as a data set")
    kind.add_argument("--space", action="store_true", help="create and publish a Space that shows models")
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="models that the Space shows, by their names on the Hub",
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--dry_run", action="store_true", help="check, and list what would be uploaded")
    parser.add_argument("--revision", help="branch to write to (default: main)")
    parser.add_argument("--create_pr", action="store_true", help="open a pull request")
    parser.add_argument("--commit_message", help="title of the commit")
    parser.add_argument("--tags", nargs="+", default=[], metavar="TAG", help="tags for the card")
    parser.add_argument("--version", metavar="TAG", help="git tag for the commit, such as v1.0")
    parser.add_argument(
        "--trust_remote_code", action="store_true", help="run code in the folder that differs from this package's"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model of another type, or a handwritten card"
    )
    add_debug_option(parser)
    options = parser.parse_args(arguments)
    if bool(options.models) != options.space:
        parser.error("--space needs --models, and --models are for --space")
    if options.dataset or options.space:
        given = ("version", "trust_remote_code", "tags")
        if not_for := [f"--{name}" for name in given if getattr(options, name)]:
            parser.error(f"{', '.join(not_for)} are for models")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    shared = {
        "private": options.private or None,
        "dry_run": options.dry_run,
        "revision": options.revision,
        "create_pr": options.create_pr,
    }
    with errors_in_one_line("publish.py", arguments):
        if options.dataset or options.space:
            kind = "dataset" if options.dataset else "space"
            message = options.commit_message or ("Upload dates" if options.dataset else "Upload Space")
            # a dry run leaves nothing behind
            with tempfile.TemporaryDirectory() if options.dry_run else nullcontext(options.folder) as folder:
                if options.dataset:
                    write_dates_dataset(folder, options.repo_id)
                else:
                    write_space(folder, options.models)
                    if not options.dry_run:  # it does not ask the Hub
                        check_models(options.models)
                published = publish_folder(
                    folder, options.repo_id, kind, overwrite=options.overwrite, commit_message=message, **shared
                )
        else:
            published = publish_model(
                options.folder,
                options.repo_id,
                commit_message=options.commit_message or "Upload model",
                tags=options.tags,
                version=options.version,
                trust_remote_code=options.trust_remote_code,
                overwrite=options.overwrite,
                **shared,
            )
    print("\n".join(published.files))
    if published.skipped:
        print(f"skipped: {', '.join(published.skipped)}")
    verb = "would go" if published.url is None else "are"
    print(f"{len(published.files)} files {verb} to {published.url or published.repo_id}")


if __name__ == "__main__":
    main()
