"""How many runs share a GPU, by hand-made numbers."""

from __future__ import annotations

import pytest

from ganlore.execution import sharing

GIB = 2**30


@pytest.mark.parametrize(
    "speedups, most, expected",
    [
        ({}, 8, (1, False)),  # first of all one alone
        ({1: 1.0}, 8, (2, False)),
        ({1: 1.0, 2: 1.9}, 8, (3, False)),
        ({1: 1.0, 2: 1.05}, 8, (1, True)),  # launches keep the processor busy: no gain
        ({1: 1.0, 2: 1.09}, 8, (1, True)),
        ({1: 1.0, 2: 1.11}, 8, (3, False)),
        ({1: 1.0, 2: 1.9, 3: 2.6, 4: 2.7}, 8, (3, True)),  # 2.7 < 1.1 x 2.6 = 2.86
        ({1: 1.0, 2: 1.9, 3: 2.6, 4: 0.5, 5: 9.0}, 8, (3, True)),
        ({1: 1.0, 2: 2.0}, 2, (2, True)),
        ({}, 1, (1, True)),  # nothing to measure
    ],
)
def test_runs_are_added_while_all_together_still_gain_a_tenth(speedups, most, expected) -> None:
    assert sharing.wanted(speedups, most) == expected


@pytest.mark.parametrize(
    "peaks, newcomer, memory, expected",
    [
        ([], 100 * GIB, 8 * GIB, True),  # one always runs, and says itself that it does not fit
        ([2 * GIB], 2 * GIB, 6 * GIB, True),  # 1.5 x (2 + 2) = 6
        ([2 * GIB], 2 * GIB, 6 * GIB - 1, False),
        ([2 * GIB] * 3, 2 * GIB, 12 * GIB, True),
        ([2 * GIB] * 4, 2 * GIB, 12 * GIB, False),
        ([2 * GIB], None, 6 * GIB, True),  # 3 + a half of 6
        ([2 * GIB + 2], None, 6 * GIB, False),
        ([2 * GIB] * 9, 2 * GIB, None, True),
    ],
)
def test_runs_are_added_while_memory_holds_them(peaks, newcomer, memory, expected) -> None:
    assert sharing.fits(peaks, newcomer, memory) == expected


def test_the_decision_is_one_line_with_its_numbers() -> None:
    assert sharing.sentence({1: 1.0, 2: 1.914, 3: 1.95}, 2) == (
        "runs in turn on this GPU: 2; "
        "runs in turn and their speed together, one alone being 1: 2 1.91, 3 1.95"
    )
    assert sharing.sentence({}, 1) == "runs in turn on this GPU: 1"
