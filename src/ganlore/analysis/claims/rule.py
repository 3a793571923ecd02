"""The rule of `verdicts` and of the gates before them, as the report prints it."""

from __future__ import annotations

from ganlore.analysis.claims.verdicts import ALPHA

_SHARE = f"{100 * ALPHA:g} %"

RULE: tuple[str, ...] = (
    "Each test of a claim has one difference for each seed, positive where the claim says so, and "
    "a margin: the smallest effect of interest. A claim that was changed after runs were seen says "
    "so.",
    "The effect is the mean of the differences. Its interval is the "
    f"{100 * (1 - ALPHA):g} % BCa bootstrap interval over seeds, at a nominal level that allows "
    "for few seeds.",
    "Exact sign-flip tests compare the effect with the margin: the share of all 2^n patterns of "
    "signs of (difference - margin) whose sum is at least the observed one. They are one-sided, in "
    "the direction that was written down; with n seeds p is at least 1/2^n.",
    "A claim over losses or over data sets has these for its observations and not seeds: the mean "
    "over seeds of each. Random effects combine them (Paule and Mandel; Hartung, Knapp, Sidik and "
    "Jonkman), and t tests compare their mean with the margin.",
    "A claim holds if all of its tests do: its p is the largest of theirs. It is contradicted if "
    "one of them is: its p is Simes's, the smallest of K/k times the k-th smallest of K.",
    "A test over several settings (data set, network, policy, budget) is one test for each. Each "
    "setting has a verdict of its own, by the same rule over all settings of all claims.",
    "Both p-values are adjusted for the number of all claims (Holm), as two families at "
    f"{_SHARE} each.",
    f"holds: the adjusted p is at most {_SHARE}, and the interval of every test lies above its "
    "margin. The state of a test that has no verdict in any setting comes before that.",
    f"contradicted: the adjusted p is at most {_SHARE}, the interval of the test that contradicts "
    "most lies below minus its margin, and no other of its tests holds by itself (Holm over all "
    "tests of the file), or has no verdict in any setting.",
    "does not hold: not contradicted as a whole, and the interval of one of the tests lies below "
    f"its margin, where a sign-flip test agrees ({_SHARE}, divided by the number of the claim's "
    "tests): no effect as claimed is of interest.",
    "A test of non-inferiority (not worse) holds if its effect is above minus its margin.",
    "undecided: none of these; the interval reaches across the margin, or the seeds or losses are "
    "too few for the correction.",
    "not converged: more than the stated share of the cells of one of its tests still changes by "
    "more than the stated share over the last doubling of the budget.",
    "not testable here: one of its tests could not come out both ways or is of data that the study "
    "has not, most runs of a side have no value, or losses are too good to be ranked; or a control "
    "of its data set failed.",
    "not tested: runs that one of its tests needs are missing.",
    "A run that diverged counts as the worst value among all runs of the same data set and "
    "network; it is never dropped.",
)
