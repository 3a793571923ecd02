"""Who improves whom, rankings, and what the page shows of a verdict: numbers by hand."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_study
from scipy import stats

from ganlore import formatting
from ganlore.analysis import matrices, tables
from ganlore.analysis.claims import comparison, describe
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.claims.verdicts import VERDICTS, tally
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.rankings import Ranking
from ganlore.analysis.results import Results
from ganlore.formatting import short_change
from ganlore.report import claims
from ganlore.report.figures import heat, interaction, ranking, verdicts
from ganlore.study.run import Plan


@pytest.fixture(scope="module")
def claiming(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return synthetic_study.make(synthetic_study.claiming(tmp_path_factory.mktemp("claims")))


@pytest.fixture(scope="module")
def results_of_claims(claiming: Plan) -> list[ClaimResult]:
    return comparison.claim_results(claiming, tables.read(claiming))


def with_fid(matrix: Matrix, values: dict[tuple[str, str], list[float]]) -> Matrix:
    """The matrix with other FIDs of some cells, by seed."""
    ends = matrix.finals.copy()
    for (loss, trick), fids in values.items():
        ends.loc[(ends["loss"] == loss) & (ends["trick"] == trick), "fid"] = fids
    return dataclasses.replace(matrix, finals=ends)


def test_a_change_is_the_geometric_mean_over_pairs_of_seeds(actual: list[Matrix]) -> None:
    """Halved, halved and quartered: a mean log ratio of -4/3 log 2, s = log(2) / sqrt(3)."""
    matrix = with_fid(
        actual[0], {("cgan", "none"): [8.0, 4.0, 16.0], ("cgan", "packing"): [4.0, 2.0, 4.0]}
    )
    table = matrices.improvements(matrix).set_index(["loss", "trick"])
    row = table.loc[("cgan", "packing")]
    assert row["log_ratio"] == pytest.approx(-4 / 3 * math.log(2))
    half = stats.t.ppf(0.975, 2) * math.log(2) / 3  # s / sqrt(n) = log(2) / sqrt(3) / sqrt(3)
    assert (row["low"], row["high"]) == pytest.approx(
        (row["log_ratio"] - half, row["log_ratio"] + half)
    )
    assert (row["n"], row["n_lost"]) == (3, 0)
    assert "none" not in table.index.get_level_values("trick")


def test_pairs_of_which_a_run_diverged_are_counted_and_in_no_mean(actual: list[Matrix]) -> None:
    table = matrices.improvements(actual[0]).set_index(["loss", "trick"])
    assert tuple(table.loc[("lsgan", "relativistic"), ["n", "n_lost"]]) == (1, 2)
    assert tuple(table.loc[("minimax", "packing"), ["n", "n_lost"]]) == (0, 3)
    assert math.isnan(table.loc[("minimax", "packing"), "log_ratio"])
    lost = with_fid(actual[0], {("cgan", "none"): [8.0, math.nan, 16.0]})
    again = matrices.improvements(lost).set_index(["loss", "trick"])
    assert tuple(again.loc[("cgan", "packing"), ["n", "n_lost"]]) == (2, 1)


@pytest.mark.parametrize(("ratio", "text"), [(0.77, "−23 %"), (1.4, "+40 %"), (1.001, "0 %"), (0.999, "0 %"),
                                             (2.34, "×2.3"), (14.2, "×14"), (0.02, "−98 %"), (0.002, "−99.8 %"),
                                             (1e-5, "−100 %")])  # fmt: skip
def test_changes_are_told_as_percent_and_as_multiples(ratio: float, text: str) -> None:
    assert short_change(math.log(ratio)) == text


def test_the_figure_of_changes_marks_what_excludes_none(actual: list[Matrix]) -> None:
    matrix = with_fid(actual[0], {("cgan", "none"): [8.0, 4.0, 16.0], ("cgan", "packing"): [4.1, 2.0, 7.9],
                                 ("vaegan", "none"): [8.0, 4.0, 16.0], ("vaegan", "packing"): [2.0, 9.0, 15.0]})  # fmt: skip
    figure = interaction.interaction(matrix, matrices.improvements(matrix))
    displayed = {text.get_text(): text for text in figure.axes[0].texts}
    sure = short_change(np.mean(np.log([4.1 / 8, 0.5, 7.9 / 16])))
    unsure = short_change(np.mean(np.log([0.25, 2.25, 15 / 16])))
    assert displayed[f"● {sure}"].get_fontweight() == "bold"
    assert displayed[unsure].get_fontweight() == "normal"
    assert "3 lost" in displayed and "n/a" in displayed


def test_blocks_have_every_loss_and_a_diverged_run_is_worst(actual: list[Matrix]) -> None:
    """relativistic does not go with wgan: it makes no block."""
    values, left_out = ranking.blocks(actual[0])
    assert left_out == ["relativistic"]
    assert set(values.index.get_level_values("trick")) == {"none", "packing"}
    assert values.shape == (6, 5)
    assert np.isinf(values.loc["packing", "minimax"]).all()


def test_ranks_are_the_averages_over_blocks(actual: list[Matrix], tidy: tables.Tables) -> None:
    (drawing,) = ranking.of_matrix(actual[0], tidy.runs)
    values, _ = ranking.blocks(actual[0])
    ranks = pd.Series(stats.rankdata(values, axis=1).mean(axis=0), values.columns)
    for name, mean in ranks.items():
        assert f"{name} {mean:.2f}" in drawing.alt
    # q(.05, 5, inf) = 2.728 (Demsar 2006, table 5a)
    assert f"Critical difference {2.728 * math.sqrt(5 * 6 / (6 * 6)):.2f}" in drawing.alt
    assert "over 6 blocks" in drawing.caption and "Without relativistic" in drawing.caption


def test_the_diagram_has_every_name_at_its_rank_and_a_bar_for_each_group() -> None:
    names = ["b", "a", "c", "d"]
    ranks = pd.Series([1.9, 1.2, 2.9, 4.0], names)
    apart = np.abs(ranks.to_numpy()[:, None] - ranks.to_numpy()) > 1.05
    p_values = pd.DataFrame(np.where(apart, 0.01, 0.5), names, names)
    averages = Ranking(ranks, 20, 0.001, 1.05, p_values)
    ax = ranking.critical_difference(averages, "losses").axes[0]
    # bars from the best rank to the worst, and not in the order of a set, which each run has anew
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
    assert bars and all(list(bar) == sorted(bar) for bar in bars)
    elbows = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert sorted(line.get_xdata()[1] for line in elbows) == sorted(ranks)
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert [tuple(sorted(bar.get_xdata())) for bar in bars] == [(1.2, 1.9), (1.9, 2.9)]
    texts = [text.get_text().strip() for text in ax.texts]
    assert texts == ["a  1.2", "b  1.9", "4.0  d", "2.9  c"]
    assert "critical difference 1.05" in ax.get_title(loc="left")


def test_two_losses_have_no_ranking(actual: list[Matrix], tidy: tables.Tables) -> None:
    ends = actual[0].finals
    few = dataclasses.replace(actual[0], finals=ends[ends["loss"].isin(["lsgan", "cgan"])])
    assert list(ranking.of_matrix(few, tidy.runs)) == []


def test_costs_have_the_interval_of_their_runs(
    plan: Plan, tidy: tables.Tables, actual: list[Matrix]
) -> None:
    matrix = heat.with_spread(actual[0], tidy.runs, "step_ms")
    runs = tidy.runs
    mine = runs[
        (runs["dataset"] == "digits") & (runs["loss"] == "cgan") & (runs["trick"] == "packing")
    ]["step_ms"]
    half = stats.t.ppf(0.975, len(mine) - 1) * mine.std() / math.sqrt(len(mine))
    row = matrix.cell("cgan", "packing")
    assert (row["step_ms_low"], row["step_ms_high"]) == pytest.approx(
        (mine.mean() - half, mine.mean() + half)
    )
    texts = [text.get_text() for text in heat.heat_map(matrix, "step_ms", "ms", True).axes[0].texts]
    assert formatting.spread(row["step_ms"], row["step_ms_low"], row["step_ms_high"])[0] in texts


def test_a_claims_figure_has_every_seed_the_interval_and_the_margin(
    results_of_claims: list[ClaimResult],
) -> None:
    tests = list(results_of_claims[0].tests)
    for ax, measured in zip(verdicts.differences(tests).axes, tests, strict=True):
        drawn = {line.get_label(): line for line in ax.lines}
        assert list(drawn["seeds"].get_xdata()) == list(measured.values["difference"])
        assert list(drawn["interval"].get_xdata()) == pytest.approx(
            (measured.outcome.low, measured.outcome.high)
        )
        assert drawn["effect"].get_xdata()[0] == pytest.approx(measured.outcome.effect)
        (band,) = (patch for patch in ax.patches if patch.get_label() == "margin")
        assert (band.get_x(), band.get_width()) == (
            -measured.outcome.margin,
            2 * measured.outcome.margin,
        )
        low, high = ax.get_xlim()
        assert (
            low < min(measured.values["difference"]) and max(measured.values["difference"]) < high
        )


def test_ratios_are_ticked_as_factors(results_of_claims: list[ClaimResult]) -> None:
    ax = verdicts.differences([results_of_claims[0].tests[0]]).axes[0]
    for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
        assert float(label.get_text().removeprefix("×")) == pytest.approx(math.exp(place), rel=5e-3)
    assert "×1" in [label.get_text() for label in ax.get_xticklabels()]


def test_each_claim_has_a_line_with_its_verdict_and_its_cells(
    claiming: Plan, results_of_claims: list[ClaimResult], tmp_path: Path
) -> None:
    lines = claims.lines(Results(claiming, tables.read(claiming)), tmp_path)
    verdicts = [line.result.verdict for line in lines]
    assert verdicts == ["holds", "contradicted", "undecided", "does not hold", "not tested",
                        "not converged", "not testable here"]  # fmt: skip
    assert tally(one.verdict for one in results_of_claims) == dict.fromkeys(VERDICTS, 1)
    assert lines[4].figure is None and lines[4].result.deciding.rendered == ""
    slow = dict(lines[2].sides[0]["treatment"])
    assert slow == {"lsgan (digits, dcgan, slow)": "cell-digits-dcgan-slow-lsgan-none"}
    for line in lines[:4]:
        for kind in ("verdict", "budget"):
            assert (tmp_path / f"{kind}-{line.result.id}.pdf").stat().st_size > 1000
    assert lines[4].budget is None
    assert 'class="mean sure"' in lines[0].bar and 'class="mean gated"' in lines[5].bar


def test_a_claim_says_why_and_what_the_literature_found(tmp_path: Path) -> None:
    """In `ganlore claims`, beside the tests that it has."""
    file = copy.deepcopy(synthetic_study.CLAIMS)
    file["claims"]["C01"] |= {
        "why": "It is what the article says.",
        "literature": "1611.04076: FID lower on LSUN",
    }
    file["claims"]["C01"]["tests"][0]["margin_reason"] = "smaller than between two seeds"
    plan = synthetic_study.claiming(tmp_path, claims=file)
    text = "\n".join(describe.lines(plan))
    for words in ("why: It is what the article says.", "literature: 1611.04076: FID lower on LSUN",
                  "margin: smaller than between two seeds"):  # fmt: skip
        assert text.count(words) == 1
