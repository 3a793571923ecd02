"""Measures the lore of GAN training: every loss x every trick x every seed, on equal terms.

`ganlore.load`, `ganlore.generator` and `ganlore.plots` are imported when they are first used: a
process that only asks for the version does not pay for pandas and torch. Their types are in
`__init__.pyi`.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"

_PLACES = {
    "generator": ("ganlore.api.generators", "generator"),
    "load": ("ganlore.api.results", "load"),
    "plots": ("ganlore.api.plots", None),
}
"""The public names, with their module and their name in it; None for the module itself."""


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _PLACES:
        raise AttributeError(f"module 'ganlore' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    imported = importlib.import_module(module)
    return imported if attribute is None else getattr(imported, attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
