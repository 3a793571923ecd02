"""Study files as text: YAML 1.2, strictly, and JSON.

In YAML 1.2 `yes` and `on` are text, `010` is ten, and `1:30` is no number. A key that is written
twice is an error here, and so is a document that is too large once its aliases are written out.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from ganlore import storage
from ganlore.errors import GanloreError

MOST_BYTES = 1_000_000
DEEPEST = 200
"""Brackets that are open at one place; a study has a few."""

MOST_VALUES = 200_000
"""Values of a document, aliases written out: a study of a thousand cells has some thousand."""


class _Constructor(SafeConstructor):
    """Values of YAML 1.2's core schema, which has no dates."""


_Constructor.add_constructor(
    "tag:yaml.org,2002:timestamp", lambda self, node: self.construct_scalar(node)
)


def read(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        FileNotFoundError: if there is none.
        GanloreError: if it cannot be read, is not YAML 1.2 in UTF-8, has a key twice, refers to
            itself, or is too large.
    """
    with contextlib.suppress(OSError, ValueError):  # reading it says what is wrong
        if (size := path.stat().st_size) > MOST_BYTES:
            raise GanloreError(f"{path}: {size:,} bytes, expected at most {MOST_BYTES:,}")
    text = storage.read_text(path)
    if version := re.search(r"^%YAML (?!1\.2\s*$).*", text, re.MULTILINE):
        raise GanloreError(f"{path}: {version[0]}: expected YAML 1.2; leave that line out")
    return parse(text, str(path))


def parse(text: str, where: str) -> Any:
    """The value of a YAML document; `where` is for messages."""
    return copy.deepcopy(_parsed(text, where))  # claims take a fifth of a second to parse


@functools.lru_cache(maxsize=64)
def _parsed(text: str, where: str) -> Any:
    opened = itertools.accumulate(1 if sign in "[{" else -1 for sign in re.findall(r"[][{}]", text))
    if max(opened, default=0) > DEEPEST:  # the parser's time grows with the square of the depth
        raise GanloreError(f"{where}: nested too deeply")
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        value = reader.load(text)
    except RecursionError:
        raise GanloreError(f"{where}: nested too deeply") from None
    except (YAMLError, ValueError) as error:
        raise GanloreError(f"{where}: not valid YAML: {_without_advice(error)}") from None
    _check_size(value, where)
    return value


def parse_json(text: str, where: str) -> Any:
    """The value of JSON text, in which a key may not be written twice either."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise GanloreError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise GanloreError(f"{where}: not valid JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"the key {min(twice)!r} is written twice")
    return dict(pairs)


def _without_advice(error: Exception) -> str:
    """A parser's message, without its advice on how to make the parser accept it."""
    return str(error).split("\n\n")[0].split("\nTo suppress")[0].strip()


def _check_size(value: Any, where: str) -> None:
    """Count values as if each alias were written out, each shared one once.

    Raises:
        GanloreError: if there are more than `MOST_VALUES`, or a value contains itself.
    """
    counts: dict[int, int] = {}
    open_now: set[int] = set()

    def count(part: Any) -> int:
        if not isinstance(part, (dict, list, set)):
            return 1
        if id(part) in open_now:
            raise GanloreError(f"{where}: an alias refers to what contains it")
        if id(part) not in counts:
            open_now.add(id(part))
            parts = part.values() if isinstance(part, dict) else part
            counts[id(part)] = 1 + sum(map(count, parts))
            open_now.discard(id(part))
        return counts[id(part)]

    if (total := count(value)) > MOST_VALUES:
        raise GanloreError(
            f"{where}: {total:,} values once its aliases are written out, expected at most "
            f"{MOST_VALUES:,}"
        )
