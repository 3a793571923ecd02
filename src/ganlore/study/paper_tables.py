"""What papers report, as data beside the studies that replicate them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, TypeAdapter, ValidationError, model_validator

from ganlore.errors import GanloreError, unknown
from ganlore.settings import Model, PositiveInt
from ganlore.study import documents

PUBLISHED = "published.yaml"


class Row(Model):
    """A number of a paper, and the cell of the study that should have it.

    Attributes:
        loss: of the cell, as `trick` and `variant`.
        metric: what was measured, by this project's name.
        value: the paper's mean.
        within: its spread, of the kind that the table says; None where the paper has none.
        below: in place of a value, a bound that every run should be below.
        above: likewise above.
        explained: what a difference comes from, where it was looked into.
    """

    loss: str
    trick: str = "none"
    variant: str = "base"
    metric: str
    value: float | None = None
    within: NonNegativeFloat | None = None
    below: float | None = None
    above: float | None = None
    explained: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Row:
        if sum(x is not None for x in (self.value, self.below, self.above)) != 1:
            raise ValueError("expected one of `value`, `below` and `above`")
        return self


class PaperTable(Model):
    """A paper's table.

    Attributes:
        paper: an arXiv id.
        table: which of its tables.
        protocol: how the paper measured.
        checked: against what its numbers were compared, or that they were not.
        n: runs behind each number; None where the rows are bounds.
        spread: of what kind `within` is.
        rows: the numbers.
    """

    paper: str
    table: str
    protocol: str
    checked: str
    n: PositiveInt | None = None
    spread: Literal["standard error", "standard deviation"] | None = None
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_runs(self) -> PaperTable:
        if any(row.within is not None for row in self.rows) and None in (self.n, self.spread):
            raise ValueError("rows with `within` need `n` and `spread`")
        return self


def of(study: str, path: Path) -> PaperTable:
    """The table that a study replicates.

    Args:
        study: its name.
        path: the file of tables.

    Raises:
        GanloreError: if the file is missing or wrong, or has nothing of the study.
    """
    try:
        document: Any = documents.read(path)
    except FileNotFoundError:
        raise GanloreError(
            f"{path}: no such file of published tables\n  it lies beside the study that names it"
        ) from None
    if not isinstance(document, dict) or study not in document:
        raise unknown("replicated study", study, document or {}, str(path))
    try:
        return TypeAdapter(PaperTable).validate_python(document[study])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (study, *first["loc"])))
        raise GanloreError(f"{path}: {place}: {first['msg']}") from None
