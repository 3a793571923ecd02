"""How settings and papers are told: one wording for `ganlore list`, the pages and the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

LEGEND = (
    "r and f are the discriminator's logits on real samples x and generated samples G(z), sp is "
    "the softplus, E the mean over the batch, h the discriminator's features, Enc an encoder, AE "
    "an auto-encoding critic, Q what reads a code c. Names such as weight, gam and lam are "
    "settings."
)
"""What the signs of formulas mean."""

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def number(value: float) -> str:
    """A number as papers write it: 0.5, 10, 2e-4."""
    if value and abs(value) < 0.01:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:g}"


def value(given: Any) -> str:
    """A setting's value: numbers as in `number`, sequences in brackets."""
    if isinstance(given, float):
        return number(given)
    if isinstance(given, list | tuple):
        return f"({', '.join(value(item) for item in given)})"
    return str(given)


def optimizer(settings: BaseModel | Mapping[str, Any]) -> str:
    """An optimiser in a phrase; what is not set is not told.

    `adam, lr 1e-4 (discriminator 4e-4), betas (0, 0.9)`; rates that change in the course of
    training are told with the value at the end, `lr 2e-4 to 5e-5`.
    """
    told = settings.model_dump() if isinstance(settings, BaseModel) else settings
    given = {key: item for key, item in told.items() if item is not None}
    kind, rate, betas = given.pop("kind"), _change(given, "lr"), given.pop("betas", None)
    second = given.pop("beta2_end", None)
    if "lr_discriminator" in given:
        rate += f" (discriminator {_change(given, 'lr_discriminator')})"
    words = [kind, f"lr {rate}"]
    if kind == "adam" and betas is not None:
        words.append(f"betas {value(betas)}")
        words[-1] += f", beta2 to {number(second)}" if second is not None else ""
    return ", ".join([*words, *(f"{_plain(key)} {value(item)}" for key, item in given.items())])


def _change(given: dict[str, Any], key: str) -> str:
    """A value, with that of `<key>_end` where it has one; both are taken out."""
    start, end = given.pop(key), given.pop(f"{key}_end", None)
    return number(start) + (f" to {number(end)}" if end is not None else "")


def settings(given: Mapping[str, Any]) -> str:
    """A plug-in's settings but for its optimiser, `n_critic 5, clip 0.01`."""
    return ", ".join(f"{key} {value(item)}" for key, item in given.items() if key != "optimizer")


def papers(text: str | None) -> list[str]:
    """The arXiv ids in a plug-in's `paper`."""
    return ARXIV.findall(text or "")


def links(text: str | None) -> str:
    """A plug-in's `paper` in Markdown, every arXiv id a link to its abstract."""
    return ARXIV.sub(r"[\1](https://arxiv.org/abs/\1)", text or "-")


def listed(names: Iterable[Any]) -> str:
    """Names as a phrase: a, b and c."""
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last


def _plain(key: str) -> str:
    return key.replace("_", " ")
