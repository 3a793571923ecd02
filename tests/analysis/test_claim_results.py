"""Tests of claims on made-up tables: what is taken of each run, paired, and counted, by hand."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ganlore.analysis.claims import comparison, describe, gates, measures, results, settings
from ganlore.analysis.claims.verdicts import Decision, Outcome
from ganlore.analysis.tables import CELL, Tables
from ganlore.study import schema
from ganlore.study.claim_gates import Gated
from ganlore.study.expand import expand
from ganlore.study.run import COSTS, HISTORY, Plan

SEEDS = list(range(8))
STEPS = (10, 20, 30, 40, 50, 60)
ARTICLES = {"000": {"language": "Arabic", "about": "losses"}}
SPREAD = [0.03, -0.01, 0.02, -0.02, 0.01, -0.03, 0.0, 0.005]
"""What a made-up seed adds."""


def study(*tests: dict[str, Any], **changes: Any) -> Plan:
    """A plan of one claim of these tests, with no grid of its own but one cell."""
    claim = {"statement": "It helps.", "articles": ["000"], "tests": list(tests)}
    document = {
        "name": "made-up",
        "seeds": SEEDS,
        "training": {"budget": 60 * 64, "snapshots": 6, "history": 12},
        "protocol": {"n_fake": 100},
        "settings": {"datasets": {"ring": {"std": 0.05}}},
        "variants": {
            "slow": {"training": {"optimizer": {"lr": 1e-5}}},
            "fast": {"training": {"optimizer": {"lr": 1e-2}}},
        },
        "grids": [
            {"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
        ],
        "claims": {"articles": ARTICLES, "claims": {"C01": claim}},
        **changes,
    }
    for name in ("ring", "grid"):  # claims are on data that the study has
        if f"'{name}'" in str([document["claims"], list(tests)]):
            document["grids"] = [*document["grids"], {**document["grids"][0], "datasets": [name]}]
    return expand(schema.parse(copy.deepcopy(document), "made-up.yaml"))


Value = Callable[..., float]


def tables(
    plan: Plan,
    value: Value,
    column: Value = lambda *_: 1.0,
    diverged=(),
    steps=STEPS,
    names=("fid", "modes", "precision", "recall", "mode_movement"),
) -> Tables:
    """Tables with `value(metric, run, step)` and `column(name, run, step)`."""
    metrics, history, runs = [], [], []
    for run in plan.runs:
        lost = run.id in diverged
        extractor = plan.protocols[run.dataset.name][1][0]
        for step, name in itertools.product(steps, names):
            done = not (lost and step == steps[-1])
            metrics.append(
                {**run.key, "eval_seed": 0, "step": step, "images": 64 * step,
                 "extractor": extractor, "split": "train", "n_real": 1438, "n_fake": 100,
                 "resize": "none", "metric": name, "seconds": 0.0,
                 "value": value(name, run, step) if done else math.nan,
                 "status": "done" if done else "diverged"}
            )  # fmt: skip
        for step in range(5, 61, 5):
            reported = {name: column(name, run, step) for name in HISTORY}
            history.append({**run.key, **reported, "step": step})
        runs.append({**run.key, **{name: column(name, run, 60) for name in COSTS}})
    floor = [
        {"dataset": name, "extractor": extractors[0], "metric": "modes", "value": modes}
        for (name, (_, extractors)), modes in zip(plan.protocols.items(), (10.0, 8.0), strict=False)
    ]
    frames = [pd.DataFrame(rows) for rows in (metrics, history, runs, floor)]
    return Tables(*frames)


def only(plan: Plan, tidy: Tables) -> results.ClaimResult:
    (actual,) = comparison.claim_results(plan, tidy)
    return actual


EMA = {
    "take": "end",
    "of": "fid",
    "scale": "log",
    "claimed": "lower",
    "margin": 0.05,
    "treatment": {"losses": ["lsgan", "hinge"], "tricks": ["ema"]},
    "control": {"losses": ["lsgan", "hinge"]},
    "match": ["loss"],
}


def fids(ratio: float) -> Value:
    """FID 100 or 400 by loss, `ratio` times that with a trick, and a bit by seed."""

    def value(metric, run, step):
        if metric != "fid":
            return {"modes": 10.0, "precision": 0.5, "recall": 0.5, "mode_movement": 0.1}[metric]
        base = 100 if run.loss.name == "lsgan" else 400
        with_trick = ratio * math.exp(SPREAD[run.seed]) if run.trick != "none" else 1.0
        return base * with_trick

    return value


def test_a_ratio_is_paired_by_loss_and_seed_and_told_in_percent():
    plan = study(EMA)
    actual = only(plan, tables(plan, fids(0.8)))
    (test,) = actual.tests
    expected = -math.log(0.8) - np.array(SPREAD)
    np.testing.assert_allclose(test.values["difference"], expected, rtol=1e-12)
    assert test.outcome.effect == pytest.approx(expected.mean()) == -test.effect[0]
    assert test.rendered.startswith("−20 % (−21 % to −")
    assert test.outcome.p_holds == 1 / 2**8
    assert (actual.verdict, actual.n) == ("holds", 8)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.25, "contradicted"), (0.999, "does not hold"), (0.94, "undecided")]
)
def test_the_other_verdicts(ratio, verdict):
    plan = study(EMA)
    actual = only(plan, tables(plan, fids(ratio)))
    assert actual.verdict == verdict
    assert ("seeds would decide" in actual.note) == (verdict == "undecided")


def test_losses_that_one_side_lacks_do_not_count():
    # R1 has no meaning with r3gan: were its plain runs counted, the control would be far lower
    plan = study(
        {**EMA, "treatment": {"losses": ["lsgan", "r3gan"], "tricks": ["r1"]},
         "control": {"losses": ["lsgan", "r3gan"]}}
    )  # fmt: skip
    assert {gap.loss for gap in plan.missing} == {"r3gan"}

    def value(metric, run, step):
        return 1.0 if run.loss.name == "r3gan" else fids(0.8)(metric, run, step)

    (test,) = only(plan, tables(plan, value)).tests
    assert test.values["treatment"].mean() == pytest.approx(math.log(80) + np.mean(SPREAD))
    assert test.values["control"].mean() == pytest.approx(math.log(100))


def test_a_diverged_run_counts_as_the_worst_of_its_data_set_and_network():
    plan = study(EMA)
    lost = "digits/mlp/lsgan/ema/base/seed3"
    tidy = tables(plan, fids(0.8), diverged=[lost])
    (test,) = only(plan, tidy).tests
    assert test.without == (1, 0)
    treatment = test.values.set_index("train_seed")["treatment"]
    mine = [400 * 0.8 * math.exp(SPREAD[3]), 400]  # hinge's own, and the worst there is
    assert treatment[3] == pytest.approx(np.log(mine).mean())


def test_a_claim_whose_cells_are_left_out_is_not_tested_and_says_what_lacks():
    plan = study(EMA, exclude=[{"loss": "hinge", "trick": "ema", "reason": "no time"}])
    actual = only(plan, tables(plan, fids(0.8)))
    assert actual.verdict == "not tested"
    assert actual.note == "lacks digits mlp hinge ema base"
    assert (actual.tests[0].outcome.n, actual.tests[0].rendered) == (0, "")
    assert actual.deciding is actual.tests[0]


TWIN = "fgan-jensen-shannon"


def test_a_loss_under_two_names_counts_once_among_all():
    """By hand: FID is 100 without the trick and 80 with it, and 1 where it must not count."""
    both = {"treatment": {"losses": "all", "tricks": ["ema"]}, "control": {"losses": "all"}}
    here = {"datasets": ["digits"], "networks": ["mlp"], "losses": "all", "tricks": ["none", "ema"]}
    plan = study({**EMA, **both}, seeds=[0, 1], grids=[here])

    def value(metric, run, step):
        return 1.0 if run.loss.name == TWIN else 80.0 if run.trick == "ema" else 100.0

    (test,) = only(plan, tables(plan, value)).tests
    losses = {run.loss.name for run in plan.runs}
    assert TWIN in losses  # the study trains it
    assert {cell.loss for cell in test.cells["control"]} == losses - {TWIN}
    np.testing.assert_allclose(test.values["treatment"], math.log(80), rtol=1e-12)
    np.testing.assert_allclose(test.values["control"], math.log(100), rtol=1e-12)


def test_a_loss_under_its_other_name_counts_where_it_is_named():
    named = {"losses": [TWIN], "tricks": ["ema"]}
    plan = study({**EMA, "treatment": named, "control": {"losses": [TWIN]}})
    (test,) = only(plan, tables(plan, fids(0.8))).tests
    assert {cell.loss for cells in test.cells.values() for cell in cells} == {TWIN}
    assert test.outcome.n == len(SEEDS)


def test_all_tests_must_hold():
    other = {**EMA, "of": "recall", "scale": "value", "claimed": "higher", "margin": 0.02}
    plan = study(EMA, other)
    actual = only(plan, tables(plan, fids(0.8)))
    assert actual.verdict == "does not hold"
    assert actual.deciding is actual.tests[1]


def one(take: str, **more: Any) -> dict[str, Any]:
    """A test of lsgan alone, against 0."""
    return {
        "take": take, "claimed": "higher", "constant": 0.0, "margin": 0.0,
        "treatment": {"losses": ["lsgan"]}, **more,
    }  # fmt: skip


def taken(test: dict[str, Any], value: Value, column: Value = lambda *_: 1.0) -> float:
    """What a test takes of seed 0."""
    plan = study(test)
    (actual,) = only(plan, tables(plan, value, column)).tests
    return float(actual.values.set_index("train_seed")["treatment"][0])


def ordinary(metric, run, step):
    return {"fid": 100.0 - step, "modes": 10.0, "precision": 0.5, "recall": 0.3}.get(
        metric, step / 100
    )


def test_what_is_taken_of_a_run():
    assert taken(one("end", of="fid"), ordinary) == 40
    # snapshots after half of the budget: 40, 50, 60
    assert taken(one("average", of="mode_movement"), ordinary) == pytest.approx(0.5)

    def column(name, run, step):
        return float(step)

    # rows after step 40: 45, 50, 55, 60
    assert taken(one("late", of="d_loss"), ordinary, column) == pytest.approx(52.5)
    # FID is lowest at 60, whose interval has the rows 55 and 60
    assert taken(one("at-best", of="d_loss"), ordinary, column) == pytest.approx(57.5)
    away = one("late", of="d_loss", distance_from=60.0)
    assert taken(away, ordinary, column) == pytest.approx(7.5)


CURVE = {10: 90.0, 20: 50.0, 30: 30.0, 40: 20.0, 50: 40.0, 60: 60.0}
"""A FID with its best at 40."""


def turning(metric, run, step):
    """A metric that is best at two thirds of the budget, and a recall that names its step."""
    return {"fid": CURVE[step], "recall": step / 100}.get(metric, ordinary(metric, run, step))


def test_what_is_taken_of_the_best_snapshot():
    assert taken(one("best", of="fid"), turning) == 20
    assert taken(one("best", of="recall"), turning) == 0.4  # of the same snapshot
    assert taken(one("decline", of="fid"), turning) == pytest.approx(math.log(3))
    # recall is best at the end
    assert taken(one("decline", of="recall"), turning) == 0


def test_a_run_that_diverged_has_the_worst_best():
    plan = study(one("best", of="fid"))
    lost = "digits/mlp/lsgan/none/base/seed0"

    def value(name, run, step):
        return turning(name, run, step) + run.seed

    (test,) = only(plan, tables(plan, value, diverged=[lost])).tests
    assert list(test.values["treatment"]) == [27, *range(21, 28)]


def test_unsteadiness_is_about_a_line():
    """Of the four snapshots of the last third at 45, 50, 55, 60 (12 in all)."""
    steps = tuple(range(5, 61, 5))
    wiggle = dict(zip(steps[-4:], (0.1, -0.1, -0.1, 0.1), strict=True))  # no line in it

    def value(name, run, step):
        return math.exp(3 - step / 20 + wiggle.get(step, 0)) if name == "fid" else 1.0

    plan = study(one("unsteadiness", of="fid"))
    tidy = tables(plan, value, steps=steps)
    source = measures.Source(plan, tidy)
    test = plan.study.claims.claims["C01"].tests[0]
    # the squares are 0.04, over 4 - 2 degrees of freedom
    assert measures.unsteadiness(source, test).to_numpy() == pytest.approx(math.sqrt(0.02))


def test_a_loss_that_falls_as_fid_does_tracks_nothing_by_that():
    def column(name, run, step):
        return -3.0 * step

    assert taken(one("tracking", of="d_loss"), ordinary, column) == 0
    assert taken(one("tracking", of="d_loss"), turning) == 0  # it stands still


def test_a_loss_tracks_by_what_moves_beside_the_trend():
    bumps = {10: 0.0, 20: 5.0, 30: -4.0, 40: 2.0, 50: 7.0, 60: -6.0}

    def value(name, run, step):
        return 100 - step + bumps[step] if name == "fid" else ordinary(name, run, step)

    def follows(name, run, step):  # rows of a snapshot's interval have its bump
        return 50 + 4 * step + 10 * bumps[-(-step // 10) * 10]

    signed = one("tracking", of="d_loss")
    assert taken(signed, value, follows) == pytest.approx(1)
    assert taken(signed, value, lambda *a: -follows(*a)) == pytest.approx(-1)
    absolute = one("tracking", of="d_loss", absolute=True)
    assert taken(absolute, value, lambda *a: -follows(*a)) == pytest.approx(1)


def test_stopping_where_a_loss_is_lowest_costs_what_is_lost_of_fid():
    def falling(name, run, step):
        return -float(step)

    assert taken(one("stopping", of="g_loss"), turning, falling) == pytest.approx(math.log(3))
    # where the loss rises it says to stop at once: after a third of the budget that is at 30
    rising = one("stopping", of="g_loss", since=0.4)
    assert taken(rising, turning, lambda n, r, s: float(s)) == pytest.approx(math.log(1.5))


def test_far_from_the_best_of_a_loss_or_of_all():
    def value(name, run, step):
        if name != "fid":
            return ordinary(name, run, step)
        base = {"lsgan": 10.0, "hinge": 25.0}[run.loss.name]
        slow = 1.9 if run.loss.name == "lsgan" else 2.1
        return base * (slow if run.variant == "slow" else 1.0)

    def far(among, loss):
        both = {"losses": ["lsgan", "hinge"], "variants": ["base", "slow"]}
        test = {**one("far-from-best", of="fid", among=among), "treatment": both}
        plan = study({**test, "match": ["loss"]})
        source = measures.Source(plan, tables(plan, value))
        runs = source.runs.index
        taken = measures.far_from_best(source, plan.study.claims.claims["C01"].tests[0], runs)
        return taken.xs((loss, 0), level=("loss", "train_seed")).droplevel(
            ["dataset", "network", "trick"]
        ).to_dict()  # fmt: skip

    assert far("loss", "lsgan") == {"base": 0, "slow": 0}
    assert far("loss", "hinge") == {"base": 0, "slow": 1}
    assert far("all", "hinge") == {"base": 1, "slow": 1}


@pytest.mark.parametrize(
    ("metric", "number", "failed"),
    [("modes", 5.0, 1), ("modes", 6.0, 0), ("precision", 0.04, 1), ("precision", 0.06, 0)],
)
def test_a_run_fails_by_few_modes_or_no_precision(metric, number, failed):
    def value(name, run, step):
        return number if name == metric else ordinary(name, run, step)

    assert taken(one("failed"), value) == failed


def test_a_diverged_run_fails():
    plan = study(one("failed"))
    lost = "digits/mlp/lsgan/none/base/seed0"
    (test,) = only(plan, tables(plan, ordinary, diverged=[lost])).tests
    assert list(test.values["treatment"]) == [1, 0, 0, 0, 0, 0, 0, 0]


def test_time_to_the_controls_median_end_is_censored_at_the_budget():
    test = {
        "take": "time-to", "of": "fid", "claimed": "lower", "margin": 0.0,
        "treatment": {"losses": ["lsgan"], "tricks": ["ema"]}, "control": {"losses": ["lsgan"]},
    }  # fmt: skip
    plan = study(test)

    def value(name, run, step):
        if name != "fid":
            return ordinary(name, run, step)
        if run.trick == "ema":
            return 39.0 if step >= 30 and run.seed != 7 else 90.0
        return 100.0 - step  # 40 at the end, of every seed

    (actual,) = only(plan, tables(plan, value)).tests
    assert list(actual.values["treatment"]) == [0.5] * 7 + [1.0]
    assert list(actual.values["control"]) == [1.0] * 8
    assert actual.arrived == {"treatment": (7, 8), "control": (8, 8)}
    assert actual.in_words.endswith("(7 of 8 runs of treatment, 8 of 8 runs of control get there)")


def test_time_to_a_target_by_the_steps_of_the_generator():
    """Five critic steps for each of the generator's: a fifth of the other's longest budget."""
    sides = {"treatment": {"losses": ["wgan"]}, "control": {"losses": ["lsgan"]}}
    test = {"take": "time-to", "of": "fid", "claimed": "lower", "margin": 0.0, "target": 60.0}

    def both(**axis):
        plan = study({**test, **sides, **axis})
        values = only(plan, tables(plan, ordinary)).tests[0].values
        return values["treatment"][0], values["control"][0]

    assert both() == pytest.approx((40 / 60, 40 / 60))
    assert both(axis="generator") == pytest.approx((40 / 5 / 60, 40 / 60))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "holds"), (0.8, "holds"), (1.25, "contradicted")]
)
def test_not_worse_holds_above_minus_the_margin(ratio, verdict):
    plan = study({**EMA, "not_worse": True, "margin": 0.1})
    assert only(plan, tables(plan, fids(ratio))).verdict == verdict


SHARES = ("fid", "reverse_kl", "high_quality", "mode_movement")


def test_hopping_counts_only_what_has_collapsed_after_it_had_more():
    """By the shares of all samples, of some quality: a mode that one sample hits is not covered."""

    def value(name, run, step):
        unlearned, collapsed = step == 10, run.seed < 2 and step >= 30
        return {
            "fid": 1.0,
            "reverse_kl": 1.5 if unlearned or collapsed else 0.1,
            "high_quality": 0.01 if unlearned or run.seed == 7 else 0.6,
            "mode_movement": step / 100,
        }[name]

    plan = study(one("hopping"))
    (test,) = only(plan, tables(plan, value, names=SHARES)).tests
    # pairs of collapsed snapshots end at 40, 50 and 60; the other seeds say nothing
    assert list(test.values["train_seed"]) == [0, 1]
    assert list(test.values["treatment"]) == pytest.approx([0.5, 0.5])
    assert test.without == (0, 0)


@pytest.mark.parametrize("kl, quality", [(0.1, 0.6), (1.5, 0.6), (1.5, 0.01)])
def test_what_never_had_more_or_never_has_few_has_not_collapsed(kl, quality):
    made = {"fid": 1.0, "reverse_kl": kl, "high_quality": quality, "mode_movement": 0.5}
    plan = study(one("hopping"))
    nothing = only(plan, tables(plan, lambda name, *_: made[name], names=SHARES))
    assert nothing.verdict == "not testable here" and "collapsed" in nothing.note


def test_a_best_below_what_real_data_have_counts_as_that():
    plan = study(one("best", of="fid"))
    tidy = tables(plan, turning)
    row = {**tidy.floor.iloc[0], "metric": "fid", "value": 25.0}
    reached = replace(tidy, floor=pd.DataFrame([*tidy.floor.to_dict("records"), row]))
    (test,) = only(plan, reached).tests
    assert set(test.values["treatment"]) == {25.0}


def test_spread_is_over_the_cells_of_each_loss():
    test = one("end", of="fid", scale="log", combine="spread")
    test["treatment"] = {"losses": ["lsgan", "hinge"], "variants": ["slow", "base", "fast"]}

    def value(name, run, step):
        if name != "fid" or run.loss.name == "hinge":
            return 100.0
        return {"slow": 50.0, "base": 100.0, "fast": 200.0}[run.variant]

    # logarithms -log 2, 0, log 2 around their mean; hinge has no spread; the mean of both
    assert taken(test, value) == pytest.approx(math.log(2) / 2)


def test_relative_to_compares_each_cell_with_itself():
    test = {
        **EMA, "match": [], "treatment": {"losses": ["lsgan"], "variants": ["slow"]},
        "control": {"losses": ["hinge"], "variants": ["slow"]}, "relative_to": {"variant": "base"},
    }  # fmt: skip

    def value(name, run, step):
        if name != "fid":
            return ordinary(name, run, step)
        base = {"lsgan": 100.0, "hinge": 10.0}[run.loss.name]
        return base * ({"lsgan": 2.0, "hinge": 3.0}[run.loss.name] if run.variant == "slow" else 1)

    plan = study(test)
    (actual,) = only(plan, tables(plan, value)).tests
    np.testing.assert_allclose(actual.values["treatment"], math.log(2))
    np.testing.assert_allclose(actual.values["control"], math.log(3))
    assert actual.rendered.startswith("−33 %")


def test_agreement_of_rankings_between_data_sets_against_that_between_seeds():
    losses = ["lsgan", "hinge", "minimax", "nonsaturating"]
    test = {
        "take": "end", "of": "fid", "claimed": "lower", "margin": 0.1, "combine": "agreement",
        "treatment": {"datasets": ["digits", "ring"], "losses": losses},
    }  # fmt: skip
    plan = study(test)

    def reversed_on_the_ring(name, run, step):
        place = losses.index(run.loss.name)
        return float(place if run.dataset.name == "digits" else -place)

    (actual,) = only(plan, tables(plan, reversed_on_the_ring)).tests
    assert set(actual.values["treatment"]) == {-1.0} and set(actual.values["control"]) == {1.0}
    assert set(actual.values["difference"]) == {2.0}


def test_every_number_is_traceable_to_cells_and_seeds():
    plan = study(EMA, one("late", of="d_loss"))
    actual = comparison.claim_results(plan, tables(plan, fids(0.8)))
    rows, seeds, cells = (f(actual) for f in (results.rows, results.differences, results.cells))
    assert list(rows["claim"]) == ["C01", "C01"] and list(rows["test"]) == [1, 2]
    first = seeds[seeds["test"] == 1]
    assert rows.loc[0, "effect"] == pytest.approx(-first["difference"].mean())
    assert len(first) == len(SEEDS)
    available = {run.cell for run in plan.runs}
    assert {tuple(row) for row in cells[CELL].to_numpy()} <= available
    assert set(cells.loc[cells["test"] == 1, "side"]) == {"treatment", "control"}


# -- gates -----------------------------------------------------------------------------------------


def falling(rate: float, losses: frozenset[str] = frozenset({"lsgan", "hinge"})) -> Value:
    """FID that falls by a power of the steps in some losses, and ends as `fids(0.8)`'s."""

    def value(metric, run, step):
        power = rate if metric == "fid" and run.loss.name in losses else 0.0
        return fids(0.8)(metric, run, step) * (STEPS[-1] / step) ** power

    return value


def test_cells_that_are_still_falling_shut_the_gate_and_are_named():
    """FID ~ step^-0.5: it loses 1 - 2^-0.5 = 29 % for a doubling, in 2 cells of 4."""
    plan = study(EMA)
    actual = only(plan, tables(plan, falling(0.5, frozenset({"hinge"}))))
    assert actual.verdict == "not converged"
    assert actual.note.startswith("2 of 4 cells (50 %) have not converged by fid: digits mlp hinge")
    assert actual.note.count("−29 % over the last doubling") == 2
    assert actual.tests[0].outcome.effect == pytest.approx(-math.log(0.8) - np.mean(SPREAD))
    assert math.isnan(actual.decision.p_holds)  # it counts in no family


def test_below_what_real_data_have_nothing_is_on_the_way():
    """It falls by 29 % for each doubling, but from half of the budget on below the floor."""
    plan = study(EMA)
    tidy = tables(plan, falling(0.5))
    at_half = tidy.metrics.query("metric == 'fid' and step == 30")["value"].max()
    row = {**tidy.floor.iloc[0], "metric": "fid", "value": at_half}
    reached = replace(tidy, floor=pd.DataFrame([*tidy.floor.to_dict("records"), row]))

    def converged(tidy: Tables) -> set[bool]:
        cells = gates.of_cells(measures.Source(plan, tidy), plan.cells, "fid", 0.05)
        return {one.passed for one in cells.values()}

    assert converged(tidy) == {False} and converged(reached) == {True}


def test_a_best_that_has_come_to_real_data_has_converged_whenever_it_came_there():
    """It falls by 29 % for each doubling, and comes to the floor with the last snapshot."""
    plan = study(EMA)
    tidy = tables(plan, falling(0.5))
    ends = tidy.metrics.query("metric == 'fid' and step == 60 and loss == 'hinge'")["value"]
    hinge = [cell for cell in plan.cells if cell.loss == "hinge"]

    def converged(floor: float, by: Gated = "best") -> set[tuple[bool, bool]]:
        row = {**tidy.floor.iloc[0], "metric": "fid", "value": floor}
        known = replace(tidy, floor=pd.DataFrame([*tidy.floor.to_dict("records"), row]))
        cells = gates.of_cells(measures.Source(plan, known), hinge, "fid", 0.05, by)
        return {(one.passed, one.arrived) for one in cells.values()}

    assert converged(ends.max()) == {(True, True)}
    assert converged(0.99 * ends.min()) == {(False, False)}  # it may still fall, if by little
    assert converged(ends.max(), by=True) == {(False, False)}  # the metric itself may rise again


def test_how_far_from_real_data_a_cell_ends_is_known_where_these_are():
    plan = study(EMA)
    tidy = tables(plan, lambda *_: 30.0)
    row = {**tidy.floor.iloc[0], "metric": "fid", "value": 20.0}
    known = replace(tidy, floor=pd.DataFrame([*tidy.floor.to_dict("records"), row]))
    for there, above in ((known, 1.5), (tidy, math.nan)):
        cells = gates.of_cells(measures.Source(plan, there), plan.cells, "fid", 0.05)
        assert [one.above for one in cells.values()] == [pytest.approx(above, nan_ok=True)] * 4


def test_what_is_taken_of_the_best_must_have_converged_by_the_best_so_far():
    """A curve past its best changes a lot, and its best so far no more."""

    def value(name, run, step):
        if name != "fid":
            return ordinary(name, run, step)
        curve = {10: 90.0, 20: 50.0, 30: 40.0, 40: 60.0, 50: 80.0, 60: 90.0}[step]
        with_trick = 0.8 * math.exp(SPREAD[run.seed]) if run.trick != "none" else 1.0
        return curve * with_trick

    ends, bests = study(EMA), study({**EMA, "take": "best"})
    assert only(ends, tables(ends, value)).verdict == "not converged"
    assert only(bests, tables(bests, value)).verdict == "holds"


def test_a_share_of_cells_may_be_on_the_way_and_a_test_may_do_without():
    half = {"gates": {"share": 0.5}}
    plan = study(EMA)
    assert plan.study.claims is not None
    document = plan.study.claims.model_dump(exclude_none=True)
    some = tables(plan, falling(0.5, frozenset({"hinge"})))
    assert only(study(EMA, claims={**document, **half}), some).verdict == "holds"
    without = study({**EMA, "converged": False})
    assert only(without, tables(without, falling(0.5))).verdict == "holds"
    slow = study(EMA)
    assert only(slow, tables(slow, falling(0.05))).verdict == "holds"  # 1 - 2^-0.05 = 3.4 %
    assert only(slow, tables(slow, falling(0.08))).verdict == "not converged"  # 5.4 %


def test_what_is_no_end_of_a_metric_needs_no_convergence():
    plan = study(one("late", of="d_loss", margin=0.1))
    assert only(plan, tables(plan, falling(0.5), lambda *_: 1.0)).verdict == "holds"


def test_cells_of_which_most_runs_diverged_have_converged():
    plan = study(EMA)
    lost = [run.id for run in plan.runs if run.trick == "ema" and run.seed > 3]
    assert only(plan, tables(plan, fids(0.8), diverged=lost)).tests[0].gate is None


def test_a_side_that_hardly_has_a_value_of_its_own_is_not_compared():
    plan = study(EMA)
    lost = [run.id for run in plan.runs if run.trick == "ema" and run.seed > 2]
    actual = only(plan, tables(plan, fids(0.8), diverged=lost))
    assert actual.verdict == "not testable here"
    assert "10 of the treatment's 16 runs have no value" in actual.note


def test_the_worst_is_that_of_the_distance_where_a_distance_is_compared():
    """A run without a value counts as what speaks against the claim, after all transformations."""

    def column(name, run, step):
        if name != "d_loss":
            return 1.0
        return math.nan if run.seed == 0 else 0.5 + (0.1 if run.seed % 2 else -0.3)

    for absolute in ({"distance_from": 0.5}, {}):
        claimed = one("late", of="d_loss", margin=0.0, **absolute)
        claimed = {k: v for k, v in claimed.items() if k != "control"} | {"constant": 0.2}
        plan = study(claimed | {"claimed": "lower"})
        (test,) = only(plan, tables(plan, ordinary, column)).tests
        first = test.values.set_index("train_seed")["treatment"][0]
        assert first == pytest.approx(0.3 if absolute else 0.6)


def test_losses_that_are_as_good_as_real_data_are_not_ranked():
    test = {"take": "best", "of": "fid", "combine": "agreement", "claimed": "lower", "margin": 0.1,
            "treatment": {"datasets": ["digits", "ring"], "losses": ["lsgan", "hinge"]},
            "converged": False}  # fmt: skip
    plan = study(test)
    tidy = tables(plan, lambda name, *_: 20.0 if name == "fid" else 8.0)
    row = {**tidy.floor.iloc[0], "metric": "fid", "value": 25.0}
    reached = replace(tidy, floor=pd.DataFrame([*tidy.floor.to_dict("records"), row]))
    low = only(plan, reached)
    assert low.verdict == "not testable here" and "cannot rank" in low.note


def test_a_frozen_generator_s_control_must_have_come_to_rest():
    def falling_loss(name, run, step):
        return 3.0 - step / 30 if name == "d_loss" else 1.0

    plan = study(EMA | {"take": "late", "of": "g_gradient_norm", "settled": "d_loss"})
    assert only(plan, tables(plan, ordinary)).tests[0].gate is None
    shut = only(plan, tables(plan, ordinary, falling_loss))
    assert shut.verdict == "not converged" and "has not come to rest" in shut.note


# -- units -----------------------------------------------------------------------------------------


def over(unit: str, test: dict[str, Any], **changes: Any) -> Plan:
    claim = {"statement": "It helps.", "articles": ["000"], "unit": unit, "tests": [test]}
    return study(claims={"articles": ARTICLES, "claims": {"C01": claim}}, **changes)


LOSSES = ["lsgan", "hinge", "minimax", "nonsaturating"]
OVER_LOSSES = {
    **EMA, "treatment": {"losses": LOSSES, "tricks": ["ema"]}, "control": {"losses": LOSSES},
}  # fmt: skip


def test_over_losses_each_loss_is_one_observation():
    """Ratios 0.5, 0.8, 0.9 and 1.2, the same of every seed: the t test of their logarithms."""
    ratios = dict(zip(LOSSES, (0.5, 0.8, 0.9, 1.2), strict=True))

    def value(metric, run, step):
        return 100 * (ratios[run.loss.name] if run.trick == "ema" else 1) if metric == "fid" else 1

    plan = over("loss", OVER_LOSSES)
    (test,) = only(plan, tables(plan, value)).tests
    expected = -np.log([ratios[name] for name in sorted(LOSSES)])
    assert list(test.values["unit"]) == sorted(LOSSES)
    np.testing.assert_allclose(test.values["difference"], expected)
    assert test.observations == "4 losses"
    assert test.outcome.effect == pytest.approx(expected.mean(), rel=1e-4)
    from scipy import stats

    p = stats.ttest_1samp(expected, 0.05, alternative="greater").pvalue
    assert test.outcome.p_holds == pytest.approx(p, rel=1e-3)
    assert only(plan, tables(plan, value)).verdict == "undecided"
    by_seed = study(OVER_LOSSES)
    assert only(by_seed, tables(by_seed, value)).verdict == "holds"  # these four losses only
    rows = results.rows([only(plan, tables(plan, value))])
    assert (rows.loc[0, "n"], rows.loc[0, "unit"]) == (4, "loss")
    listed = results.differences([only(plan, tables(plan, value))])
    assert list(listed["unit"]) == sorted(LOSSES) and listed["train_seed"].isna().all()


def test_over_data_sets_each_data_set_is_one_observation():
    there = ["digits", "ring", "grid"]
    test = {**EMA, "match": ["dataset", "loss"],
            "treatment": {"datasets": there, "losses": ["lsgan"], "tricks": ["ema"]},
            "control": {"datasets": there, "losses": ["lsgan"]}}  # fmt: skip
    plan = over("dataset", test)
    (actual,) = only(plan, tables(plan, fids(0.8))).tests
    assert list(actual.values["unit"]) == sorted(there) and actual.observations == "3 data sets"
    assert actual.outcome.effect == pytest.approx(-math.log(0.8) - np.mean(SPREAD))


def test_two_losses_are_too_few_to_see_how_losses_differ():
    plan = over("loss", EMA)
    actual = only(plan, tables(plan, fids(0.8)))
    assert actual.verdict == "not testable here" and "2 of its units" in actual.note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"match": []}, "add loss to match"),
        ({"combine": "spread"}, "spread is of seeds"),
    ],
)
def test_a_unit_that_does_not_fit_its_test_is_refused(changes, words):
    from ganlore.errors import GanloreError

    with pytest.raises(GanloreError, match=words):
        over("loss", {**OVER_LOSSES, **changes})


# -- settings and parts ----------------------------------------------------------------------------

TWO = {
    **EMA, "treatment": {"datasets": ["digits", "ring"], "losses": ["lsgan"], "tricks": ["ema"]},
    "control": {"datasets": ["digits", "ring"], "losses": ["lsgan"]},
}  # fmt: skip


def by_data(**ratios: float) -> Value:
    """FID as `fids`, with a ratio for each data set."""

    def value(metric, run, step):
        return fids(ratios[run.dataset.name])(metric, run, step)

    return value


def test_each_setting_has_a_verdict_and_its_scope():
    plan = study(TWO)
    actual = only(plan, tables(plan, by_data(digits=0.8, ring=1.25)))
    words = [(one.setting.words, one.decision.verdict) for one in actual.settings]
    assert words == [
        ("digits, mlp, one optimiser for all, 60 steps", "holds"),
        ("ring, mlp, one optimiser for all, 60 steps", "contradicted"),
    ]
    assert [test.verdict for test in actual.tests] == ["holds", "contradicted"]
    assert actual.verdict == "does not hold"  # a part of it is supported
    assert actual.summary == "holds in 1 of 2 settings"
    assert actual.tests[0].label == "FID: with ema against plain (lsgan on digits)"
    rows = results.rows([actual])
    assert list(rows["scope"]) == [scope for scope, _ in words]
    assert list(rows["test_verdict"]) == ["holds", "contradicted"]


def test_settings_are_combined_by_random_effects():
    """log 0.8 and log 0.6: with t of one degree of freedom the mean's interval has both sides."""
    plan = study(TWO)
    actual = only(plan, tables(plan, by_data(digits=0.8, ring=0.6)))
    assert (actual.verdict, actual.summary) == ("holds", "holds in 2 of 2 settings")
    (over,) = actual.overall
    assert (over.settings, over.holds) == (2, 2)
    logs = np.log([0.8, 0.6]) + np.mean(SPREAD)
    assert over.effect[0] == pytest.approx(logs.mean(), rel=1e-3)
    half = 12.706 * abs(logs[0] - logs[1]) / 2  # t(1, .975) times the standard error
    assert over.effect[2] - over.effect[0] == pytest.approx(half, rel=1e-2)
    assert over.in_words.startswith("FID 31 % lower, from ")


def test_a_setting_whose_gate_is_shut_is_left_out_of_the_claims_verdict():
    plan = study(TWO)

    def value(metric, run, step):
        power = 0.5 if metric == "fid" and run.dataset.name == "ring" else 0.0
        return by_data(digits=0.8, ring=0.8)(metric, run, step) * (STEPS[-1] / step) ** power

    actual = only(plan, tables(plan, value))
    assert actual.verdict == "holds"
    assert actual.scope == "digits, mlp, one optimiser for all, 60 steps"
    assert actual.summary == "holds in 1 of 1 settings; 1 not converged"
    assert actual.overall == () and actual.n == len(SEEDS)
    left_out = [{"dataset": "ring", "loss": "lsgan", "trick": "ema", "reason": "no time"}]
    plan = study(TWO, exclude=left_out)
    actual = only(plan, tables(plan, by_data(digits=0.8, ring=0.8)))
    assert (actual.verdict, actual.summary) == ("holds", "holds in 1 of 1 settings; 1 not tested")


def test_a_claim_is_not_contradicted_while_a_question_of_it_is_open():
    """It may hold there. In another setting of the same question it need not be known."""
    failed = {**RING, "take": "failed", "scale": "value", "margin": 0.1}
    plan = study(EMA, failed)
    rows = tables(plan, by_data(digits=1.25, ring=1.25))
    gated = only(plan, rows)
    assert [test.verdict for test in gated.tests if test.gate is None] == ["contradicted"]
    assert [test.gate.state for test in gated.tests if test.gate] == ["not testable here"]
    assert gated.verdict == "does not hold"
    assert gated.summary == "holds in 0 of 1 settings; 1 not testable here"
    left_out = [{"dataset": "ring", "loss": "lsgan", "trick": "ema", "reason": "no time"}]
    alone = study(TWO, exclude=left_out)
    assert only(alone, tables(alone, by_data(digits=1.25, ring=1.25))).verdict == "contradicted"


def test_a_claim_does_not_hold_while_a_question_of_it_is_open():
    """What its answered part says stands in its summary; its verdict is why the other has none."""
    failed = {**RING, "take": "failed", "scale": "value", "margin": 0.1}
    plan = study(EMA, failed)
    actual = only(plan, tables(plan, by_data(digits=0.8, ring=0.8)))
    assert actual.verdict == "not testable here"
    assert actual.summary == "holds in 1 of 1 settings; 1 not testable here"
    assert actual.deciding.gate is not None and actual.note == actual.deciding.gate.reason
    assert actual.scope.startswith("ring") and actual.overall == ()
    assert [test.verdict for test in actual.tests if test.gate is None] == ["holds"]


def test_budgets_are_settings():
    variants = {"long": {"training": {"budget": 120 * 64}}}
    cells = {"losses": ["lsgan"], "variants": ["base", "long"]}
    plan = study(
        {**EMA, "treatment": {**cells, "tricks": ["ema"]}, "control": cells}, variants=variants
    )
    parts = settings.split(plan, plan.study.claims.claims["C01"].tests[0])
    assert [setting.steps for setting, _ in parts] == [(60,), (120,)]
    assert [(test.treatment.variants, test.control.variants) for _, test in parts] == [
        (["base"], ["base"]), (["long"], ["long"]),
    ]  # fmt: skip


def test_a_question_that_joins_settings_stays_whole():
    plan = study({**TWO, "combine": "spread"})
    test = plan.study.claims.claims["C01"].tests[0]
    ((setting, whole),) = settings.split(plan, test)
    assert (
        whole is test and setting.words == "digits and ring, mlp, one optimiser for all, 60 steps"
    )
    across = study({**TWO, "control": {"networks": ["dcgan"], "losses": ["lsgan"]}})
    assert len(settings.split(across, across.study.claims.claims["C01"].tests[0])) == 1
    plain = study(TWO)
    assert len(settings.split(plain, plain.study.claims.claims["C01"].tests[0], "dataset")) == 1


@pytest.mark.parametrize(
    ("effect", "log", "words"),
    [
        ((math.log(0.88), math.log(0.85), math.log(0.92)), True, "12 % lower, 8 to 15 %"),
        ((math.log(1.5), math.log(1.25), math.log(2.0)), True, "50 % higher, 25 to 100 %"),
        ((math.log(0.98), math.log(0.95), math.log(1.01)), True,
         "2 % lower, from 5 % lower to 1 % higher"),
        ((math.log(0.002), math.log(0.0004), math.log(0.012)), True, "99.8 % lower, 99 to 99.96 %"),
        ((math.log(359.4), math.log(9.2), math.log(729.5)), True, "359 times as high, 9.2 to 730 times"),
        ((math.log(2.69), math.log(1.2), math.log(3.2)), True, "2.7 times as high, 1.20 to 3.2 times"),
        ((math.log(12.3), math.log(0.9), math.log(40)), True,
         "12 times as high, from 10 % lower to 40 times as high"),
        ((0.12, 0.05, 0.2), False, "0.12 higher, 0.05 to 0.20"),
        ((0.02, 0.0, 0.1), False, "0.02 higher, 0.00 to 0.10"),
        ((-0.1, math.nan, math.nan), False, "0.10 lower"),
    ],
)  # fmt: skip
def test_effects_in_words_say_their_direction(effect, log, words):
    assert describe.directed(effect, log) == words


def test_a_value_is_told_beside_what_it_is_held_against():
    assert describe.held_against((0.05, -0.06, 0.18), -0.5, False) == (
        "0.05 (−0.06 to 0.18), held against −0.5"
    )
    logs = tuple(math.log(x) for x in (1.72, 1.48, 2.01))
    assert describe.held_against(logs, math.log(1.1), True) == (
        "1.72 times (1.48 to 2.0), held against 1.10"
    )


def test_a_loss_of_fid_is_told_as_a_ratio():
    """`turning` ends at three times its best."""
    plan = study(one("decline", of="fid"))
    (test,) = only(plan, tables(plan, turning)).tests
    assert test.definition.ratios and test.definition.scale == "value"
    assert test.in_words.startswith("FID at its end over its best:")
    recall = study(one("decline", of="recall")).study.claims.claims["C01"].tests[0]
    assert describe.describe(recall).startswith("Recall at its best over its end:")


def test_of_equal_p_the_test_nearest_to_its_margin_decides():
    def test(effect: float, low: float, high: float, margin: float) -> results.TestResult:
        outcome = Outcome(12, effect, low, high, 2.0**-12, 1.0, margin=margin)
        definition = study(EMA).study.claims.claims["C01"].tests[0]
        return results.TestResult(definition, f"of {effect}", outcome=outcome)

    far, near = test(5.9, 5.3, 6.6, 0.7), test(1.5, 1.4, 1.8, 0.7)
    claim = study(EMA).study.claims.claims["C01"]
    made = results.ClaimResult("C01", claim, Decision("holds"), (far, near))
    assert made.deciding is near
    exact = test(0.4, 0.4, 0.4, 0.05)  # counted products have no spread, and are beyond all doubt
    made = results.ClaimResult("C01", claim, Decision("holds"), (exact, near))
    assert made.deciding is near


def test_an_effect_on_a_time_is_a_bound_where_the_slower_side_never_arrives():
    longer = (math.log(1.5), math.log(1.25), math.log(2.0))
    shorter = (math.log(0.7), math.log(0.6), math.log(0.8))
    words = "50 % higher, 25 to 100 %"
    assert describe.timed(longer, True, {}) == words
    assert describe.timed(longer, True, {"treatment": (8, 8), "control": (9, 9)}) == words
    never = {"treatment": (0, 8), "control": (9, 9)}
    counts = "(0 of 8 runs of treatment, 9 of 9 runs of control get there)"
    assert describe.timed(longer, True, never) == f"at least 50 % higher {counts}"
    some = {"treatment": (3, 8), "control": (9, 9)}
    assert describe.timed(longer, True, some).startswith(f"{words} (3 of 8 runs of treatment, ")
    lower = describe.timed(shorter, True, {"treatment": (8, 8), "control": (0, 9)})
    assert lower.startswith("at least 30 % lower (8 of 8")
    assert describe.timed(shorter, True, never).startswith("30 % lower, 20 to 40 % (0 of 8")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "FID"),
        ({"take": "best"}, "FID at the best snapshot:"),
        ({"take": "time-to", "target": 60}, "Share of the discriminator's steps until FID is 60:"),
        ({"take": "late", "of": "g_gradient_norm"},
         "Norm of the generator's gradient over the last third:"),
    ],
)  # fmt: skip
def test_what_is_measured_is_told_apart_from_the_effect(more, words):
    """By a colon where it is more than a word, so that no number follows another."""
    test = study({**EMA, **more}).study.claims.claims["C01"].tests[0]
    assert describe.subject(describe.describe(test).split(":")[0]) == words


# -- controls --------------------------------------------------------------------------------------

SAME = {**EMA, "treatment": {"losses": ["lsgan"]}, "control": {"losses": ["lsgan"]},
        "halves": True, "margin": 0.05}  # fmt: skip
RING = {
    **EMA, "treatment": {"datasets": ["ring"], "losses": ["lsgan"], "tricks": ["ema"]},
    "control": {"datasets": ["ring"], "losses": ["lsgan"]},
}  # fmt: skip


def controlled(controls: dict[str, Any], **more: Any) -> Plan:
    """Claims on digits (C01) and on the ring (C02), behind controls."""
    claims = {
        name: {"statement": f"{name} helps.", "articles": ["000"], "tests": [test]}
        for name, test in (("C01", EMA), ("C02", RING))
    }
    named = {
        name: {"statement": f"{name} is known.", **control} for name, control in controls.items()
    }
    return study(claims={"articles": ARTICLES, "controls": named, "claims": claims}, **more)


def with_packing(ratio: float) -> Value:
    """As `fids(0.8)`; packing has another ratio, which its control knows."""

    def value(metric, run, step):
        if metric == "fid" and run.trick == "packing":
            return 100 * ratio * math.exp(SPREAD[run.seed])
        return fids(0.8)(metric, run, step)

    return value


PACKING = {
    "tests": [{**EMA, "treatment": {"losses": ["lsgan"], "tricks": ["packing"]},
               "control": {"losses": ["lsgan"]}}]
}  # fmt: skip


def words(plan: Plan, tidy: Tables) -> dict[str, str]:
    return {one.id: one.verdict for one in comparison.claim_results(plan, tidy)}


def test_a_positive_control_that_is_not_seen_shuts_the_gate_of_its_data_set_alone():
    plan = controlled({"P01": PACKING})
    assert words(plan, tables(plan, with_packing(0.7))) == {
        "P01": "holds", "C01": "holds", "C02": "holds",
    }  # fmt: skip
    lost = comparison.claim_results(plan, tables(plan, with_packing(1.0)))
    assert [(one.id, one.verdict) for one in lost] == [
        ("P01", "does not hold"), ("C01", "not testable here"), ("C02", "holds"),
    ]  # fmt: skip
    assert lost[1].note == "control P01 (P01 is known) must hold and is: does not hold"
    assert (lost[0].is_control, lost[0].passed) == (True, False)
    assert lost[1].tests[0].outcome.effect == pytest.approx(-math.log(0.8) - np.mean(SPREAD))


def test_a_control_may_stand_before_other_data_sets_than_its_own():
    plan = controlled({"P01": {**PACKING, "gates": ["ring"]}})
    actual = words(plan, tables(plan, with_packing(1.0)))
    assert (actual["C01"], actual["C02"]) == ("holds", "not testable here")


@pytest.mark.parametrize("name", ["P01", "N01"])
def test_a_control_without_runs_is_not_seen(name):
    """Neither a known effect nor that there is none."""
    left_out = [{"loss": "lsgan", "trick": "packing", "reason": "no time"}]
    plan = controlled({name: PACKING}, exclude=left_out)
    control, claim, _ = comparison.claim_results(plan, tables(plan, fids(0.8)))
    assert (control.verdict, control.passed) == ("not tested", False)
    assert claim.verdict == "not testable here" and claim.note.endswith(" and is: not tested")


@pytest.mark.parametrize(("ratio", "verdict"), [(0.5, "holds"), (2.0, "contradicted")])
def test_a_negative_control_with_an_effect_shuts_the_gate(ratio, verdict):
    plan = controlled({"N01": PACKING})
    actual = words(plan, tables(plan, with_packing(ratio)))
    assert (actual["N01"], actual["C01"]) == (verdict, "not testable here")
    assert words(plan, tables(plan, with_packing(1.0)))["C01"] == "holds"


def test_a_loss_against_itself_compares_the_halves_of_the_seeds():
    """FID 100, 101, ... by seed: seeds 0 to 5 against 6 to 11."""
    plan = study(SAME, seeds=list(range(12)))

    def value(metric, run, step):
        return 100.0 + run.seed if metric == "fid" else 1.0

    (test,) = only(plan, tables(plan, value)).tests
    assert test.outcome.n == 6
    np.testing.assert_allclose(test.values["treatment"], np.log(100 + np.arange(6)))
    np.testing.assert_allclose(test.values["control"], np.log(106 + np.arange(6)))


def test_controls_are_trained_and_counted_apart():
    """They come first, positive ones before negative ones, and are in no family of claims."""
    slow = {**EMA, "treatment": {"losses": ["lsgan"], "variants": ["slow"]},
            "control": {"losses": ["lsgan"]}}  # fmt: skip
    plan = controlled({"N01": {"tests": [slow]}, "P01": PACKING}, seeds=list(range(8)))
    assert any(run.trick == "packing" for run in plan.runs)
    actual = comparison.claim_results(plan, tables(plan, with_packing(0.7)))
    assert [one.id for one in actual] == ["P01", "N01", "C01", "C02"]
    assert actual[2].decision.p_holds == 2 / 2**8  # of two claims, not of four
    rows = results.rows(actual)
    assert list(rows["control"]) == ["positive", "negative", "", ""]


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        ({"C05": PACKING}, "C05"),
        ({"P01": {**PACKING, "gates": ["rink"]}}, "unknown dataset 'rink'"),
        ({"P01": {"tests": [{**SAME, "control": None, "constant": 1.0}]}}, "halves"),
    ],
)
def test_a_control_that_is_none_is_refused(controls, words):
    from ganlore.errors import GanloreError

    with pytest.raises(GanloreError, match=words):
        controlled(controls)


def test_a_claim_that_is_not_asked_is_judged_if_all_of_its_runs_are_there_and_not_by_half():
    """C01 is asked. C02 needs the same runs; C03 others; C04 both; C05 half, and data not there."""
    other = {**EMA, "treatment": {"losses": ["wgan"], "tricks": ["ema"]}, "match": []}
    abroad = {**EMA, "treatment": {**EMA["treatment"], "datasets": ["mnist"]}}
    tests = {"C01": [EMA], "C02": [EMA], "C03": [other], "C04": [EMA, other], "C05": [EMA, abroad]}
    tests["C06"] = [abroad]
    claims = {
        name: {"statement": "It helps.", "articles": ["000"], "tests": own, "note": "As is."}
        for name, own in tests.items()
    }
    plan = study(claims={"articles": ARTICLES, "claims": claims}, ask=["C01"])
    assert plan.cells == study(EMA).cells
    actual = comparison.claim_results(plan, tables(plan, fids(0.8)))
    assert [one.verdict for one in actual] == [
        "holds", "holds", "not tested", "not tested", "not tested", "not testable here",
    ]  # fmt: skip
    assert {one.note for one in actual[2:5]} == {f"lacks {comparison.NOT_ASKED}"}


def test_a_claim_that_is_asked_in_part_is_judged_by_that_and_its_row_says_so():
    other = {**EMA, "treatment": {"losses": ["wgan"], "tricks": ["ema"]}, "match": []}
    claim = {"statement": "It helps.", "articles": ["000"], "tests": [other, EMA]}
    plan = study(claims={"articles": ARTICLES, "claims": {"C01": claim}}, ask=["C01/2"])
    (actual,) = comparison.claim_results(plan, tables(plan, fids(0.8)))
    assert actual.verdict == "holds" and len(actual.tests) == 1
    assert results.rows([actual])["of_tests"].tolist() == [2]
    whole = study(EMA)
    row = results.rows([only(whole, tables(whole, fids(0.8)))])
    assert row["of_tests"].isna().all()
