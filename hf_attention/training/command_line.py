# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""The command line of the training scripts: options, or a recipe (YAML or JSON) and options that replace its own."""

import difflib
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import yaml
from transformers import HfArgumentParser, PreTrainedConfig

from .arguments import NEW_TOKENIZER, Arguments


# options of a recipe that an option of the command line replaces
REPLACED = {"tokenizer_name": NEW_TOKENIZER, "model_name_or_path": (*NEW_TOKENIZER, "preset", "config_overrides")}
RECIPE_SUFFIXES = (".yaml", ".yml", ".json")


class Parser(HfArgumentParser):
    """An `HfArgumentParser` that raises `ValueError` instead of ending the program with all options in a message."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (--help lists the options).")


def parse(
    dataclass_types: Sequence[type[Arguments]],
    arguments: list[str] | None = None,
    recipes: Path | None = None,
    default_recipe: Callable[..., str | dict | None] | None = None,
) -> tuple:
    """
    Parses a command line whose first argument may be a recipe. Options after it replace the recipe's; a tokenizer or
    model that they name replaces its options of a new one.

    Args:
        dataclass_types (`Sequence[type]`): the dataclasses to fill.
        arguments (`list[str]`, *optional*): the command line; defaults to the program's.
        recipes (`Path`, *optional*): a folder whose recipes can be named without folder and suffix.
        default_recipe (`Callable`, *optional*):
            For the parsed options of a command line that names no recipe: returns the name of one, or options that
            are added to the command line, or `None`.

    Returns:
        `tuple`: an instance of each dataclass.

    Raises:
        `ValueError`: if there is no such recipe, or it has an option that no dataclass has.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    known = {item.name for dataclass_type in dataclass_types for item in fields(dataclass_type) if item.init}
    is_recipe_named = bool(arguments) and not arguments[0].startswith("-")
    parser = Parser(dataclass_types)  # ty: ignore[invalid-argument-type]  # it takes any dataclasses
    if is_recipe_named:
        file = find_recipe(arguments[0], recipes, known)
        options = read_recipe(file)
        if unknown := sorted({str(name) for name in options} - known):
            raise ValueError(f"{file} has unknown options: {suggest(unknown, known)}.")
        named = named_options(arguments[1:])
        replaced = {option for name in named for option in REPLACED.get(name, ())}
        options = {name: value for name, value in options.items() if name not in replaced}
        arguments = [*as_arguments(options), *arguments[1:]]
    parts: list = list(
        parser.parse_args_into_dataclasses(arguments, return_remaining_strings=True, look_for_args_file=False)
    )
    unknown = parts.pop()
    if unknown:
        raise ValueError(f"Unknown arguments: {suggest(unknown, {f'--{name}' for name in known})}.")
    name = default_recipe(*parts) if default_recipe is not None and not is_recipe_named else None
    if isinstance(name, dict):
        return parse(dataclass_types, [*arguments, *as_arguments(name)])
    if name is not None:
        if os.environ.get("RANK", "0") == "0":
            options = read_recipe(find_recipe(name, recipes, known)).items()
            print(f"Recipe `{name}`: {', '.join(f'{option} {value}' for option, value in options)}", flush=True)
        return parse(dataclass_types, [name, *arguments], recipes)
    return tuple(parts)


def as_arguments(options: dict) -> list[str]:
    """Returns the command line of options, by which every value is checked and gets its type."""
    arguments = []
    for name, value in options.items():
        if value is False and name.endswith("_strategy"):
            value = "no"  # which YAML reads as false
        values = value if isinstance(value, list) else [value]
        texts = [json.dumps(item) if isinstance(item, dict) else str(item) for item in values]
        if len(texts) == 1 and value is not None:
            arguments.append(f"--{name}={texts[0]}")  # which may begin with a minus sign
        elif value is not None:
            arguments += [f"--{name}", *texts]
    return arguments


def named_options(arguments: list[str]) -> set[str]:
    """Returns the options that a command line sets, as they are spelled in it."""
    names = {argument.partition("=")[0][2:] for argument in arguments if argument.startswith("--")}
    return {name.replace("-", "_") for name in names}


def suggest(unknown: list[str], known: set[str]) -> str:
    """Returns the unknown names, each with the known one that is closest to it, if any is close."""
    close = [difflib.get_close_matches(name.split("=")[0].replace("-", "_"), known, n=1) for name in unknown]
    return ", ".join(f"{name} (did you mean {near[0]}?)" if near else name for name, near in zip(unknown, close))


def find_recipe(name: str, recipes: Path | None, known: set[str]) -> Path:
    """
    Returns the file `name`, or else the recipe of this name in the folder `recipes`.

    Raises `ValueError` if there is neither, with the names of the recipes that have `known` options only.
    """
    if os.path.isfile(name) and name.endswith(RECIPE_SUFFIXES):
        return Path(name)
    files = {file.stem: file for file in sorted(recipes.glob("*.yaml"))} if recipes is not None else {}
    if name.removesuffix(".yaml") in files:
        return files[name.removesuffix(".yaml")]
    names = ", ".join(stem for stem, file in files.items() if set(read_recipe(file)) <= known)
    raise ValueError(f"{name!r} is not a YAML or JSON file" + (f", nor one of the recipes {names}." if names else "."))


def read_recipe(file: Path) -> dict:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not in UTF-8 ({error}): save it in that encoding.") from None
    try:
        options = (
            json.loads(text, object_pairs_hook=unique) if file.suffix == ".json" else yaml.load(text, UniqueLoader)
        )
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = "JSON" if file.suffix == ".json" else "YAML"
        raise ValueError(f"{file} is not valid {kind}: {' '.join(str(error).split())}") from None
    if not isinstance(options, dict):
        raise ValueError(f"{file} must hold options, one a line, as in `learning_rate: 1e-3`.")
    return options


def unique(pairs: list[tuple]) -> dict:
    """Returns the dictionary of the pairs. Raises `ValueError` if a name is in it twice."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name} is set {count} times.")
    return dict(pairs)


class UniqueLoader(yaml.SafeLoader):
    """YAML's safe loader, for which an option that is set twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        unique([(key.value, value) for key, value in node.value])
        return super().construct_mapping(node, deep)


def split_overrides(overrides: str | None) -> list[str]:
    """Returns the pairs of `a=1,b=true,c=[1,2]`, which are not split inside a list."""
    return list(filter(None, re.split(r",(?![^\[]*\])", overrides or "")))


def parse_overrides(
    defaults: PreTrainedConfig, overrides: str | None, from_data: Iterable[str], argument: str = "config_overrides"
) -> dict:
    """
    Parses `a=1,b=true,c=[1,2]`, the value of an `argument`, with the types of a config's own values.

    Raises `ValueError` for an option that the config does not have, one that the tokenizer or the data determines, or
    a value of another type.
    """
    options = {}
    aliases = defaults.attribute_map
    known = {*defaults.to_dict(), *aliases} - {"model_type", "transformers_version", "architectures", "auto_map"}
    for pair in split_overrides(overrides):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign:
            raise ValueError(f"`{argument}` is `option=value,option=value`, but {pair!r} has no `=`.")
        if name in from_data:
            raise ValueError(f"`{argument}`: `{name}` comes from the tokenizer or the data; it cannot be set.")
        if name not in known:  # the config would keep it, with a warning
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise ValueError(f"`{argument}`: {type(defaults).__name__} has no option {name}{hint}")
        if aliases.get(name, name) in {aliases.get(other, other) for other in options}:
            raise ValueError(f"`{argument}` sets `{name}` twice.")
        default = getattr(defaults, name)
        try:
            if isinstance(default, bool):
                options[name] = {"true": True, "false": False}[value.lower()]
            elif isinstance(default, str):
                options[name] = value
            else:
                options[name] = yaml.safe_load(value)
                kinds = (int, float, list if name == "image_size" or isinstance(default, tuple) else type(default))
                if default is not None and not isinstance(options[name], kinds):  # else the config checks it
                    raise TypeError
                parsed = options[name]
                is_odd = isinstance(parsed, bool) if default is not None else False
                if is_odd or (isinstance(parsed, float) and not math.isfinite(parsed)):
                    raise TypeError
        except (KeyError, TypeError, yaml.YAMLError):
            raise ValueError(
                f"`{argument}`: {value!r} is not a valid value for `{name}` (as in {default!r})."
            ) from None
    return options
