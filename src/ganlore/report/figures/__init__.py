"""From the tables to figures: every module here whose name has no underscore draws a kind.

A module that draws a `Matrix` defines `ORDER`, its place on the page, and
`of_matrix(matrix, runs) -> Iterator[Drawing]`, which gives what the matrix gets of it, or nothing.
Nothing else needs to know: the page has a kind that no section names with the matrix's others.

Figures carry no date and no random name: the same table gives the same bytes.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def of_matrices() -> list[ModuleType]:
    """The modules that draw a matrix, in the order of the page."""
    names = [name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_")]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return sorted((m for m in modules if hasattr(m, "of_matrix")), key=lambda m: m.ORDER)
