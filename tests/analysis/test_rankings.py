"""Rankings, survival and the model of losses and tricks."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ganlore.analysis import mixed_model, rankings, survival

# Rankings


@pytest.mark.parametrize(
    ("items", "blocks", "difference"), [(4, 14, 1.25), (5, 30, 1.11), (10, 20, 3.03)]
)
def test_critical_differences_are_demsars(items, blocks, difference):
    """q of Demsar 2006, table 5a: 2.569, 2.728, 3.164; 1.25 is the example of its section 3.2.4."""
    values = np.random.default_rng(0).normal(size=(blocks, items))
    assert rankings.rank(pd.DataFrame(values)).difference == pytest.approx(difference, abs=0.006)


def test_friedmans_test_by_its_formula():
    """12 N / (k (k + 1)) (sum of squared average ranks - k (k + 1)^2 / 4), no ties."""
    values = np.random.default_rng(1).normal(size=(9, 5)) + np.arange(5) * 0.7
    actual = rankings.rank(pd.DataFrame(values))
    ranks = values.argsort(axis=1).argsort(axis=1).mean(axis=0) + 1
    np.testing.assert_allclose(actual.ranks, ranks)
    chi2 = 12 * 9 / 30 * ((ranks**2).sum() - 5 * 36 / 4)
    assert actual.p == pytest.approx(stats.chi2.sf(chi2, 4))


def test_pairs_differ_where_their_ranks_do():
    """Nemenyi's p is at most 5 % where the average ranks are the critical difference apart."""
    values = np.random.default_rng(2).normal(size=(40, 6)) + np.arange(6) * 0.4
    actual = rankings.rank(pd.DataFrame(values))
    ranks = actual.ranks.to_numpy()
    apart = np.abs(ranks[:, None] - ranks) >= actual.difference
    np.testing.assert_array_equal(actual.p_values <= 0.05, apart)


def test_a_diverged_run_is_last_and_ties_share():
    actual = rankings.rank(pd.DataFrame([[1.0, 2.0, np.inf], [1.0, 1.0, 2.0]]))
    np.testing.assert_allclose(actual.ranks, [1.25, 1.75, 3.0])


def test_equal_items_do_not_differ():
    actual = rankings.rank(pd.DataFrame(np.ones((4, 3))))
    assert actual.p == 1.0 and (actual.p_values == 1.0).all(axis=None)


def test_incomplete_blocks_are_refused():
    with pytest.raises(ValueError, match="1 NaN"):
        rankings.rank(pd.DataFrame([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]]))


# Survival: the trial of Freireich et al. 1963 that textbooks use (Kleinbaum and Klein, "Survival
# analysis", chapter 2, with the values below).

TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
RELAPSED = [True] * 9 + [False] * 12


def test_kaplan_meier_is_the_textbooks():
    actual = survival.kaplan_meier(TREATED, RELAPSED)
    np.testing.assert_array_equal(actual.times, [6, 7, 10, 13, 16, 22, 23])
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    np.testing.assert_allclose(actual.share, expected, atol=5e-5)
    assert (actual.n, actual.n_reached) == (21, 9)
    assert ((actual.low < actual.share) & (actual.share < actual.high) & (actual.high < 1)).all()


def test_log_rank_is_the_textbooks():
    times, reached = TREATED + PLACEBO, RELAPSED + [True] * 21
    p = survival.log_rank(times, reached, ["treated"] * 21 + ["placebo"] * 21)
    assert stats.chi2.isf(p, 1) == pytest.approx(16.79, abs=0.005)


def test_log_rank_by_hand():
    """a reaches at 1, b at 2: at 1, 1/2 is expected of a and varies by 1/4; (1/2)^2 / (1/4) = 1."""
    p = survival.log_rank([1, 2], [True, True], ["a", "b"])
    assert p == pytest.approx(stats.chi2.sf(1, 1))


def test_a_share_by_hand():
    """Reached at 2 and 6, one watched up to 4: share 2/3 from 2 on, 0 from 6 on."""
    actual = survival.kaplan_meier([2, 4, 6], [True, False, True])
    np.testing.assert_allclose(actual.share, [2 / 3, 0])


def test_where_no_run_reaches_the_target_there_is_no_fall_and_no_p():
    never = survival.kaplan_meier([500, 500], [False, False])
    assert (never.n, never.n_reached, len(never.times)) == (2, 0, 0)
    assert math.isnan(survival.log_rank([500, 500], [False, False], ["a", "b"]))


@pytest.mark.parametrize(("times", "reached"), [([], []), ([0], [True]), ([1, 2], [True])])
def test_times_that_are_none_are_refused(times, reached):
    with pytest.raises(ValueError, match="expected"):
        survival.kaplan_meier(times, reached)


# Losses, tricks and their interaction


def study(losses=6, tricks=4, seeds=10, spread=0.5, noise=0.3, seed_spread=0.2, key=0):
    rng = np.random.default_rng(key)
    loss, trick, seed = (
        rng.normal(size=losses),
        0.5 * rng.normal(size=tricks),
        rng.normal(size=seeds),
    )
    together = spread * rng.normal(size=(losses, tricks))
    rows = [
        {
            "loss": f"loss{i}",
            "trick": f"trick{j}" if j else "none",
            "seed": k,
            "value": loss[i]
            + trick[j]
            + together[i, j]
            + seed_spread * seed[k]
            + noise * rng.normal(),
        }
        for i in range(losses)
        for j in range(tricks)
        for k in range(seeds)
    ]
    return pd.DataFrame(rows)


def paired_effect(table, trick):
    wide = table.pivot(index=["loss", "seed"], columns="trick", values="value")
    return (wide[trick] - wide["none"]).dropna().groupby("loss").mean().mean()


def test_tricks_effects_are_mean_differences():
    """In a complete design; half-width 1.96 sqrt(2 s^2 / (losses seeds))."""
    table = study()
    actual = mixed_model.fit(table)
    first = actual.tricks.set_index("trick").loc["trick1"]
    assert first["effect"] == pytest.approx(paired_effect(table, "trick1"))
    assert (first["high"] - first["low"]) / 2 == pytest.approx(
        1.96 * 0.3 * math.sqrt(2 / 60), rel=0.12
    )
    assert list(actual.tricks["trick"]) == ["trick1", "trick2", "trick3"]
    assert (actual.tricks["n_losses"] == 6).all()


def test_the_interaction_is_that_of_statsmodels_anova():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = study()
    theirs = anova_lm(ols("value ~ C(loss) * C(trick) + C(seed)", table).fit(), typ=2)
    actual = mixed_model.fit(table)
    variance = actual.variance.set_index("term")
    p = theirs.loc["C(loss):C(trick)", "PR(>F)"]
    assert variance.loc["interaction", "p"] == pytest.approx(p)
    noise = theirs.loc["Residual", "sum_sq"] / theirs.loc["Residual", "df"]
    total = theirs["sum_sq"].sum()
    for name, row in [
        ("loss", "C(loss)"),
        ("trick", "C(trick)"),
        ("interaction", "C(loss):C(trick)"),
        ("seed", "C(seed)"),
    ]:
        expected = (theirs.loc[row, "sum_sq"] - theirs.loc[row, "df"] * noise) / (total + noise)
        assert variance.loc[name, "share"] == pytest.approx(expected)


def test_no_interaction_has_no_share():
    """Plain sums of squares would give it 12 % of pure noise."""
    actual = [mixed_model.fit(study(spread=0.0, noise=2.0, key=key)).variance for key in range(5)]
    rows = pd.concat(actual).set_index("term").loc["interaction"]
    assert abs(rows["share"].mean()) < 0.02
    assert rows["p"].min() > 0.01


def test_cells_that_do_not_apply_leave_no_hole():
    """A trick counts over the losses that were run with it."""
    table = study()
    table = table[~((table["loss"] == "loss0") & (table["trick"] == "trick2"))]
    actual = mixed_model.fit(table).tricks.set_index("trick")
    assert actual.loc["trick2", "n_losses"] == 5
    assert actual.loc["trick2", "effect"] == pytest.approx(paired_effect(table, "trick2"))
    alone = mixed_model.fit(table[table["trick"] != "none"])
    assert alone.tricks.empty


def dummies(table):
    cells = pd.MultiIndex.from_frame(table[["loss", "trick"]]).to_flat_index()
    made = (pd.get_dummies(pd.Series(labels), dtype=float) for labels in (cells, table["seed"]))
    return tuple(frame.to_numpy() for frame in made)


@pytest.mark.parametrize("key", range(4))
def test_the_mixed_models_variances_are_those_of_its_closed_form(key):
    """Complete designs: sigma^2 = MS of residuals, ratio = (MS of seeds / sigma^2 - 1) / cells.

    Searle, Casella and McCulloch 1992, section 4.8: where the ratio is not negative.
    """
    table = study(key=key)
    wide = table.pivot(index="seed", columns=["loss", "trick"], values="value").to_numpy()
    seeds, cells = wide.shape
    by_seed = wide.mean(axis=1)
    of_seeds = cells * ((by_seed - wide.mean()) ** 2).sum() / (seeds - 1)
    rest = wide - wide.mean(axis=0) - by_seed[:, None] + wide.mean()
    noise = (rest**2).sum() / (seeds - 1) / (cells - 1)
    assert of_seeds > noise
    first = mixed_model.fit(table).tricks.set_index("trick").loc["trick1"]
    half = 1.959963984540054 * math.sqrt(2 * noise / 6 / seeds)
    assert (first["high"] - first["low"]) / 2 == pytest.approx(half, rel=1e-9)
    z = first["effect"] / half * 1.959963984540054
    assert first["p"] == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-7)
    actual = mixed_model.reml(table["value"].to_numpy(), *dummies(table))
    assert actual.ratio == pytest.approx((of_seeds / noise - 1) / cells, rel=1e-9)


def test_the_mixed_model_is_that_of_statsmodels_where_runs_are_missing():
    from statsmodels.regression.mixed_linear_model import MixedLM

    table = study()
    table = table.drop(index=np.random.default_rng(0).choice(len(table), 17, replace=False))
    cells, seeds = dummies(table.reset_index(drop=True))
    value = table["value"].to_numpy()
    actual = mixed_model.reml(value, cells, seeds)
    theirs = MixedLM(value, cells, groups=table["seed"].to_numpy()).fit(reml=True)
    np.testing.assert_allclose(actual.means, theirs.fe_params, atol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(actual.covariance)), theirs.bse_fe, rtol=1e-3)


def test_seeds_that_explain_nothing_are_no_obstacle():
    table = study(seed_spread=0.0)
    actual = mixed_model.fit(table)
    effect = actual.tricks.set_index("trick").loc["trick1", "effect"]
    assert effect == pytest.approx(paired_effect(table, "trick1"), abs=1e-6)
    assert abs(actual.variance.set_index("term").loc["seed", "share"]) < 0.02


def test_what_the_model_cannot_use_is_refused():
    table = study()
    with pytest.raises(ValueError, match="finite"):
        mixed_model.fit(table.assign(value=np.inf))
    with pytest.raises(ValueError, match="one row"):
        mixed_model.fit(pd.concat([table, table]))
    with pytest.raises(ValueError, match="two seeds"):
        mixed_model.fit(table[table["seed"] == 0])
