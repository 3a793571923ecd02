"""What a reader sees first: sentences, controls, the forest plot, marks; numbers by hand."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import synthetic_study
from scipy import stats

from ganlore.analysis import leaders, matrices, robustness, tables
from ganlore.analysis.claims import budgets
from ganlore.analysis.claims.gates import Convergence
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.results import Results
from ganlore.formatting import cited
from ganlore.report import bars, bars_svg, convergence, first_screen
from ganlore.report import claims as page_claims
from ganlore.report.bars import Bar
from ganlore.report.figures import forest
from ganlore.report.page import build
from ganlore.study.claim_gates import Gates


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    plan = synthetic_study.make(synthetic_study.claiming(tmp_path_factory.mktemp("first")))
    return Results(plan, tables.read(plan))


def with_fid(matrix: Matrix, values: dict[tuple[str, str], list[float]]) -> Matrix:
    """The matrix with these cells alone, and these FIDs by seed."""
    ends = matrix.finals.set_index(["loss", "trick"]).loc[list(values)].reset_index()
    for (loss, trick), fids in values.items():
        ends.loc[(ends["loss"] == loss) & (ends["trick"] == trick), "fid"] = fids
    cells = matrix.cells.loc[list(values)].copy()
    cells["fid"] = [np.exp(np.nanmean(np.log(fids))) for fids in values.values()]
    cells["rank"] = cells["fid"].rank().astype(int)
    names = [sorted({key[i] for key in values}) for i in (0, 1)]
    return dataclasses.replace(
        matrix, losses=names[0], tricks=sorted(names[1], key=lambda t: t != "none"),
        cells=cells, finals=ends,
    )  # fmt: skip


PLAIN = {
    ("lsgan", "none"): [10.0, 11.0, 12.0],
    ("cgan", "none"): [10.5, 12.0, 11.9],  # about the same
    ("minimax", "none"): [20.0, 22.0, 24.5],  # about twice, in every seed
}


def test_the_leader_is_tied_with_what_a_paired_test_does_not_tell_from_it(
    actual: list[Matrix],
) -> None:
    """Holm over two t tests by hand."""
    leader = leaders.of_losses(with_fid(actual[0], PLAIN))
    assert leader is not None and leader.key == ("lsgan", "none")
    logs = {key[0]: np.log(fids) for key, fids in PLAIN.items()}
    p = {x: stats.ttest_rel(logs[x], logs["lsgan"]).pvalue for x in ("cgan", "minimax")}
    assert p["minimax"] * 2 < 0.05 < p["cgan"]
    assert leader.tied == [("cgan", "none")] and leader.behind == 1


def test_one_seed_and_equal_runs_are_tied(actual: list[Matrix]) -> None:
    same = with_fid(actual[0], {key: [10.0, 11.0, 12.0] for key in PLAIN})
    leader = leaders.of_losses(same)
    assert leader is not None and len(leader.tied) == 2 and leader.behind == 0


def test_a_trick_is_clear_where_it_does_the_same_in_every_seed(actual: list[Matrix]) -> None:
    """Halved by packing for both losses; relativistic does anything."""
    noise = np.exp([0.01, -0.02, 0.01])
    values = {
        ("lsgan", "none"): [10.0, 20.0, 40.0],
        ("cgan", "none"): [30.0, 20.0, 10.0],
        ("lsgan", "packing"): list(np.array([5.0, 10.0, 20.0]) * noise),
        ("cgan", "packing"): list(np.array([15.0, 10.0, 5.0]) * noise),
        ("lsgan", "relativistic"): [20.0, 10.0, 44.0],
        ("cgan", "relativistic"): [20.0, 15.0, 11.0],
    }
    table = leaders.of_tricks(with_fid(actual[0], values)).set_index("trick")
    assert list(table.index) == ["packing", "relativistic"] and list(table["clear"]) == [
        True,
        False,
    ]
    row = table.loc["packing"]
    assert row["effect"] == pytest.approx(-math.log(2)) and (row["losses"], row["better"]) == (2, 2)
    half = stats.t.ppf(0.975, 2) * np.std(np.log(noise), ddof=1) / math.sqrt(3)
    assert row["high"] - row["effect"] == pytest.approx(half)


def test_what_ran_with_ema_is_held_against_ema(monkeypatch) -> None:
    fids = {
        "none": 40.0,
        "ema": 20.0,
        "packing+ema": 10.0,
        "packing+r1": 10.0,
    }  # r1 alone is not there
    logs = pd.DataFrame({(trick, "lsgan"): np.log([x, 2 * x, 4 * x]) for trick, x in fids.items()})
    matrix = SimpleNamespace(
        finals=pd.DataFrame({"fid": [1.0]}), tricks=list(fids), losses=["lsgan"], checks=set()
    )
    monkeypatch.setattr(robustness, "logs", lambda _: logs)
    rows = {row["trick"]: row for row in leaders.of_tricks(matrix).to_dict("records")}
    assert rows["packing+ema"]["against"] == "ema"
    assert rows["packing+ema"]["effect"] == pytest.approx(-math.log(2))
    assert rows["packing+r1"]["against"] == "none"
    assert rows["packing+r1"]["effect"] == pytest.approx(-math.log(4))
    assert first_screen.change(rows["packing+ema"]) == "packing+ema (−50 % against ema on lsgan)"
    assert first_screen.change(rows["ema"]) == "ema (−50 % on lsgan)"


def test_the_sentences_are_those_of_the_tables(results: Results) -> None:
    first = first_screen.summary(results)
    (best,) = first.best
    assert best.startswith(
        "Digits, dcgan, 100 steps: lsgan† has the lowest FID of plain losses at the end "
    )
    with_tricks = " With tricks " in best
    assert with_tricks is (results.matrices[0].counted.index[0][1] != "none")
    assert "clearly ahead of all 2 others" in best and "(real data: 2.40)" in best
    plain = results.matrices[0].counted.xs("none", level="trick")["fid_best"]
    assert f"At its best snapshot {plain.idxmin()}† has the lowest, {plain.min():.1f} " in best
    assert any("3 of 7 claims have no verdict" in text for text in first.careful)
    still = sum(not one.passed for one in results.convergence.values())
    n = len(results.convergence)
    assert any(
        f"{n - still} of {n} cells" in text and "less than 5 %" in text for text in first.careful
    )


def test_what_is_lost_after_the_best_is_counted(results: Results) -> None:
    """Tables are of the end: a reader is told where that is not what a cell once had."""
    (matrix, *_) = results.matrices
    assert "twice" not in first_screen._of_lost(results, matrix)
    for n, words in (
        (1, "1 of {} cells ends at twice its"),
        (2, "2 of {} cells end at twice their"),
    ):
        best = matrix.cells["fid"].where(np.arange(len(matrix.cells)) >= n, matrix.cells["fid"] / 2)
        lost = dataclasses.replace(matrix, cells=matrix.cells.assign(fid_best=best))
        finite = int(np.isfinite(lost.counted["fid"]).sum())
        assert words.format(finite) in first_screen._of_lost(results, lost)


def test_points_are_not_ranked_beside_images(results: Results) -> None:
    (matrix, *_) = results.matrices
    points = dataclasses.replace(matrix, extractor="coordinates")
    assert first_screen.of_images([points, matrix]) == [matrix]
    assert first_screen.of_images([points]) == [points]


def test_a_leader_that_uses_labels_is_said_to(tmp_path: Path) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path))
    results = Results(plan, tables.read(plan))
    best = first_screen.summary(results).best[0]
    assert "cgan†‡ has the lowest FID" in best
    assert "It uses class labels; vaegan† is first without them, 45.0 ×/÷ 1.13" in best


def test_labels_are_of_losses_and_of_tricks_and_their_parts() -> None:
    assert matrices.uses_labels("cgan") and matrices.uses_labels("lsgan", "perceptual")
    assert matrices.uses_labels("lsgan", "r1+perceptual")
    assert not matrices.uses_labels("lsgan", "r1")


def test_cells_on_the_way_are_marked_wherever_they_are_ranked(results: Results) -> None:
    """One that has converged has no mark: on the page, in the leaderboard, in figures."""
    results = Results(results.plan, results.tidy)
    passed = next(
        cell for cell in results.convergence if cell.loss == "lsgan" and cell.variant == "base"
    )
    results.convergence[passed] = Convergence(True, 0.0)
    (matrix, *_) = [m for m in results.matrices if m.variant == passed.variant]
    assert matrix.marks(passed.loss, passed.trick) == ""
    others = [key for key in matrix.cells.index if key != (passed.loss, passed.trick)]
    assert others and all(matrix.marks(*key) == "†" for key in others)


def test_a_sparse_matrix_is_shown_as_plain_losses_and_a_dense_table(actual: list[Matrix]) -> None:
    matrix = actual[0]
    assert matrix.dense is matrix and matrix.plain is matrix
    kept = [key for key in matrix.cells.index if key[1] == "none" or key[0] == "lsgan"]
    sparse = dataclasses.replace(matrix, cells=matrix.cells.loc[kept], missing={})
    assert sparse.dense.losses == ["lsgan"] and sparse.dense.tricks == matrix.tricks
    assert sparse.plain.tricks == ["none"] and set(sparse.plain.losses) == set(matrix.losses)
    ranks = [sparse.plain.cell(loss, "none")["rank"] for loss in sparse.plain.losses]  # type: ignore[index]
    assert ranks == sorted(ranks)


# -- the forest plot -------------------------------------------------------------------------------


def test_ratios_share_an_axis_and_other_effects_are_multiples_of_their_margin(
    results: Results,
) -> None:
    made = {one.id: bars.of_claim(one) for one in results.claims}
    assert made["C05"] is None  # not tested
    ratio, difference = made["C01"], made["C07"]
    assert ratio is not None and difference is not None
    deciding = results.claims[0].deciding.outcome
    assert (ratio.panel, ratio.effect, ratio.margin) == ("ratio", deciding.effect, 0.05)
    assert difference.panel == "margins" and difference.margin == 1.0  # its margin is 1
    assert ratio.decided and not difference.decided


def test_an_axis_reaches_as_far_as_its_bars_and_no_further_than_it_may() -> None:
    inside = Bar("ratio", 0.5, 0.4, 1.0, 0.05, True)
    outside = Bar("margins", 50.0, 40.0, 60.0, 1.0, True)
    limits = bars.limits([inside, outside, None])
    assert limits == {"ratio": pytest.approx(1.05), "margins": bars.MOST["margins"]}
    assert bars.place(0.0, 1.0) == 50 and bars.place(-2.0, 1.0) == 0 and bars.place(0.5, 1.0) == 75
    assert 'class="tip' in bars_svg.row(outside, limits, "x")
    assert 'class="tip' not in bars_svg.row(inside, limits, "x")


def test_the_forest_has_a_row_for_each_claim_with_its_words(results: Results) -> None:
    figure = forest.forest(results.claims)
    texts = " ".join(text.get_text().replace("\n", " ") for ax in figure.axes for text in ax.texts)
    for one in results.claims:
        sign = {"holds": "✓", "contradicted": "✗"}.get(one.verdict, "")
        assert one.id in texts and f"{sign} {one.verdict}".strip() in texts
    assert "FID 40\xa0% lower, 33 to 60\xa0%" in texts and "digits, dcgan, 100 steps" in texts


def test_a_long_measure_is_cut_before_its_number() -> None:
    words = "Norm of the generator's gradient over the last third, relative to free-late: 12 % lower, 8 to 15 %"
    first, second = forest._two_lines(words)
    assert first == "Norm of the generator's gradient over the …" and len(first) <= forest.LETTERS
    assert second.replace("\xa0", " ") == "12 % lower, 8 to 15 %"
    assert forest._two_lines("FID 12 % lower")[0].replace("\xa0", " ") == "FID 12 % lower"


# -- the verdict against the budget ----------------------------------------------------------------


def test_the_effect_at_half_of_the_budget_is_that_of_the_runs_there(results: Results) -> None:
    """Log FID of minimax less that of lsgan at the snapshot of half of the steps, by hand."""
    fid = results.tidy.metrics.query("metric == 'fid' and variant == 'base' and trick == 'none'")
    half = fid[fid["step"] == 50].set_index(["loss", "train_seed"])["value"]
    differences = np.log(half["minimax"]) - np.log(half["lsgan"])
    at = {point.share: point for point in results.along["C06"]}
    assert at[0.5].effect == pytest.approx(differences.mean()) and at[0.5].n == 8
    low, high = stats.t.interval(0.95, 7, differences.mean(), stats.sem(differences))
    assert (at[0.5].low, at[0.5].high) == pytest.approx((low, high))


def test_the_effect_at_the_end_is_the_verdict_s(results: Results) -> None:
    for one in results.claims:
        if one.id in results.along:
            last = results.along[one.id][-1]
            assert last.share == 1 and last.effect == pytest.approx(one.deciding.outcome.effect)
    assert "C05" not in results.along


def test_shares_with_the_same_snapshots_are_one_point(results: Results) -> None:
    """Four snapshots: .375 of the budget has no more than .25."""
    assert [point.share for point in results.along["C01"]] == [0.25, 0.5, 0.75, 1.0]
    table = budgets.table(results.along, results.claims)
    assert list(table.columns) == budgets.COLUMNS and not table.duplicated(["claim", "share"]).any()


# -- the page --------------------------------------------------------------------------------------


def test_what_the_literature_found_stands_beside_the_verdict(tmp_path: Path) -> None:
    claims = {**synthetic_study.CLAIMS, "claims": {"C01": {
        **synthetic_study.CLAIMS["claims"]["C02"], "why": "They differ in nothing else.",
        "literature": "1802.05957: FID 29.3 against 40.2; 1611.04076: lower"}}}  # fmt: skip
    claims["claims"]["C01"]["tests"] = [
        {**claims["claims"]["C01"]["tests"][0], "margin_reason": "as two seeds differ"}
    ]
    right = {"statement": "A loss differs from a worse one.", "tests": [
        {**claims["claims"]["C01"]["tests"][0], "claimed": "higher"}]}  # fmt: skip
    wrong = {"statement": "A worse loss is better.", "tests": claims["claims"]["C01"]["tests"]}
    claims["controls"] = {"P01": right, "P02": wrong}
    plan = synthetic_study.make(synthetic_study.claiming(tmp_path, claims=claims, exclude=[]))
    text = build(plan).read_text(encoding="utf-8")
    fold = text[text.index('id="claim-C01"') :]
    beside = fold[fold.index('<dl class="beside">') : fold.index("</dl>")]
    assert "They differ in nothing else." in beside and "not testable here" in beside
    assert '<a href="https://arxiv.org/abs/1802.05957">1802.05957</a>: FID 29.3' in beside
    assert "as two seeds differ" in fold
    first = text[text.index('aria-labelledby="first"') : text.index('id="verdicts"')]
    assert re.search(r'control passed" href="#claim-P01"', first)
    assert re.search(r'control failed" href="#claim-P02"', first)
    assert "P02: control is not as it must be" in first


@pytest.mark.parametrize(
    "failed, words",
    [
        ([], ""),
        (["P02"], "P02: control is not as it must be"),
        (["P01", "N02"], "P01 and N02: controls are not as they must be"),
    ],
)
def test_controls_that_fail_are_named(failed: list[str], words: str) -> None:
    every = [
        SimpleNamespace(is_control=name != "C01", passed=name not in failed, id=name)
        for name in ("P01", "P02", "N02", "C01")
    ]
    told = first_screen._of_controls(SimpleNamespace(claims=every))  # type: ignore[arg-type]
    assert [text.partition(",")[0] for text in told] == [words] * bool(words)


def test_findings_are_split_at_their_ids() -> None:
    assert cited("1802.05957: FID 29.3 against 40.2; arXiv:1611.04076: lower") == [
        ("1802.05957", ": FID 29.3 against 40.2; "), ("1611.04076", ": lower")]  # fmt: skip
    assert cited("nothing known") == [("", "nothing known")]


def test_no_verdict_stands_without_its_scope(results: Results) -> None:
    text = build(results.plan).read_text(encoding="utf-8")
    rows = re.findall(r'<tr role="row" data-claim="(C\d+)">(.*?)</tr>', text, re.DOTALL)
    assert len(rows) == 7
    for name, row in rows:
        assert '<span class="of scope">digits, dcgan' in row, name


def test_the_page_is_small_and_its_pictures_lie_beside_it(results: Results) -> None:
    path = build(results.plan)
    pictures = list((path.parent / "pictures").glob("*.png"))
    cells = {run.cell for run in results.plan.runs}
    assert len(pictures) == 2 * len(cells) + 1  # sheets and courses, and the strips of a matrix
    assert path.stat().st_size < 700_000 and 'src="data:' not in path.read_text(encoding="utf-8")


def test_the_pictures_of_an_earlier_report_are_deleted(results: Results) -> None:
    folder = Path(results.plan.study.reports) / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "old.png").write_bytes(b"")
    build(results.plan)
    assert not (folder / "old.png").exists() and pd.notna(len(list(folder.iterdir())))


def test_the_largest_effect_is_the_largest_of_either_sign(results: Results) -> None:
    some = first_screen.tricks(results)[0]
    rows = some.rows.iloc[:2].assign(effect=[-0.1, 0.9], clear=False)
    (told,) = {first_screen._helps(dataclasses.replace(some, rows=rows))}
    assert f"the largest is that of {rows['trick'].iloc[1]} " in told


@pytest.mark.parametrize("seeds", [3, 5, 6])
def test_too_few_seeds_for_any_p_value_are_said(tmp_path: Path, seeds: int) -> None:
    """Of n pairs a sign-flip test has two-sided p-values from 2 / 2^n up: below .05 from six on."""
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=list(range(seeds))))
    (text,) = [" ".join(first_screen.summary(Results(plan, tables.read(plan))).careful)]
    assert ("no single comparison can reach p = 0.05" in text) == (2 / 2**seeds > 0.05)


@pytest.mark.parametrize(
    "passed, words",
    [
        ([], "No cell is asked to have converged."),
        ([True], "The one cell has converged: the best FID so far, or what is asked in its place, changes by less than "
         "5 % over the last doubling of the budget."),
        ([False], "The one cell has not converged: the best FID so far, or what is asked in its place, still changes by "
         "more than"),
        ([True, True], "All 2 cells have converged: the best FID so far"),
        ([True, False], "1 of 2 cells (50 %) have converged: "),
    ],
)  # fmt: skip
def test_how_many_cells_have_converged_is_a_sentence(passed: list[bool], words: str) -> None:
    every = {number: Convergence(one) for number, one in enumerate(passed)}
    assert _of_convergence(every).startswith(words)


@pytest.mark.parametrize(
    "ends, words",
    [
        ({True: [101.0]}, " It never came within 100 times what held-out real data have: what has not "
         "begun to learn does not change either."),
        ({True: [101.0, 5.0]}, " 1 of them never came within 100 times"),
        ({True: [1_361.0, 700.0, 1.0], False: [900.0]}, " 2 of them never came within 100 times"),
        ({True: [100.0, math.nan, math.inf], False: [900.0]}, ""),
    ],
)  # fmt: skip
def test_what_may_not_have_begun_is_said(ends: dict[bool, list[float]], words: str) -> None:
    """Before a generator begins to learn FID does not change: that is no convergence."""
    all_ends = [(passed, end) for passed, values in ends.items() for end in values]
    every = {n: Convergence(passed, above=end) for n, (passed, end) in enumerate(all_ends)}
    told = _of_convergence(every)
    assert words in told if words else "begun" not in told


@pytest.mark.parametrize(
    "arrived, words",
    [
        ([True], "doubling of the budget. It changed more and counts as well, since it has come to what"),
        ([True, False, False], "doubling of the budget. 1 of them changed more and counts as well, since it has"),
        ([True, True, False], "doubling of the budget. 2 of them changed more and count as well, since they have come to"),
    ],
)  # fmt: skip
def test_what_counts_for_having_come_to_real_data_is_said(arrived: list[bool], words: str) -> None:
    every = {n: Convergence(True, arrived=one) for n, one in enumerate(arrived)}
    assert words in _of_convergence(every)
    assert "changed more" not in _of_convergence({0: Convergence(True), 1: Convergence(False)})


def _of_convergence(every: dict[int, Convergence]) -> str:
    results = SimpleNamespace(convergence=every, gates=Gates())
    return convergence.sentence(results)  # type: ignore[arg-type]


def test_cells_that_the_page_has_no_place_for_are_named_without_a_link(
    results: Results, tmp_path: Path
) -> None:
    """As those whose steps are timed, of a network that no run has."""
    elsewhere = SimpleNamespace(matrices=[], claims=results.claims[:1], along={})
    (line,) = page_claims.lines(elsewhere, tmp_path)  # type: ignore[arg-type]
    named = [pair for sides in line.sides for cells in sides.values() for pair in cells]
    assert named and all(name and anchor == "" for name, anchor in named)
