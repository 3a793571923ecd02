"""The ranking of a matrix's losses (of its tricks, where it has one loss) for its diagram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ganlore.analysis.matrices import Matrix
from ganlore.report.figures import Ranking


@dataclass(frozen=True)
class Blocks:
    """What is ranked.

    Attributes:
        values: FID, a row for each block and a column for each item; infinite where a run diverged.
        left_out: names along the other axis that lack an item, and so are in no block.
    """

    values: pd.DataFrame
    left_out: tuple[str, ...]


def blocks(matrix: Matrix) -> Blocks:
    """FID of the losses in every block: a seed with a trick.

    Friedman's test needs every loss in every block, so that tricks which some loss does not go
    with are left out. Of a matrix with one loss, tricks are compared in blocks of a seed.
    """
    item, other = ("trick", "loss") if matrix.single == "trick" else ("loss", "trick")
    ends = matrix.finals.assign(fid=matrix.finals["fid"].fillna(math.inf))
    values = ends.pivot(index=[other, "train_seed"], columns=item, values="fid")
    lacking = values.isna().any(axis=1)
    left_out = sorted(set(values.index[lacking].get_level_values(other)))
    return Blocks(values[~lacking], tuple(left_out))


def of_matrix(matrix: Matrix) -> Ranking | None:
    """The ranking of a matrix; None with fewer than three items or two blocks."""
    from ganlore.analysis import rankings

    table = blocks(matrix)
    if len(table.values) < 2 or table.values.shape[1] < 3:
        return None
    found = rankings.rank(table.values.to_numpy())
    order = sorted(range(len(found.ranks)), key=lambda index: found.ranks[index])
    place = {item: index for index, item in enumerate(order)}
    return Ranking(
        names=tuple(table.values.columns[index] for index in order),
        ranks=tuple(float(found.ranks[index]) for index in order),
        cd=found.difference,
        groups=tuple((place[group[0]], place[group[-1]]) for group in found.groups),
        n_blocks=found.blocks,
        p=found.p,
        left_out=table.left_out,
    )
