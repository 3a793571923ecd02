"""What a step keeps for its backward pass, counted by hand."""

from __future__ import annotations

import gc

import torch
from torch import nn

from ganlore.training.history import sparse
from ganlore.training.memory import Meter
from tiny import tiny_run

FLOAT = 4


def test_a_layer_keeps_its_input_and_an_activation_its_output() -> None:
    layer = nn.Linear(100, 50)
    with Meter(layer.parameters()) as meter:
        layer(torch.randn(64, 100)).tanh().sum().backward()
    assert meter.peak == FLOAT * (64 * 100 + 64 * 50)


def test_what_is_kept_twice_counts_once_and_weights_do_not_count() -> None:
    """Two layers read one input; a penalty's second backward pass needs the weights."""
    one, two = nn.Linear(10, 5), nn.Linear(10, 5)
    x = torch.randn(8, 10)
    with Meter([*one.parameters(), *two.parameters()]) as meter:
        (one(x) + two(x)).sum().backward()
    assert meter.peak == FLOAT * 8 * 10


def test_what_is_freed_counts_no_longer() -> None:
    """Two steps one after the other need no more at a time than the larger one."""
    layer = nn.Linear(100, 50)
    with Meter(layer.parameters()) as meter:
        for n in (64, 16, 32):
            layer(torch.randn(n, 100)).sum().backward()
    assert meter.peak == FLOAT * 64 * 100


def test_a_gradient_penalty_keeps_more_than_no_penalty(trained) -> None:
    rows = {
        trick: trained(tiny_run(trick=trick))[1]["history"]
        for trick in ("none", "gradient-penalty")
    }
    kept = {trick: {row["step_memory_mb"] for row in actual} for trick, actual in rows.items()}
    assert len(kept["none"]) == 1  # the same in every step
    assert 0 < max(kept["none"]) < min(kept["gradient-penalty"])


def test_counting_changes_no_bit_of_a_step() -> None:
    layer, x = nn.Linear(6, 3), torch.randn(5, 6)
    plain = torch.autograd.grad(layer(x).square().mean(), layer.weight)[0]
    with Meter(layer.parameters()):
        counted = torch.autograd.grad(layer(x).square().mean(), layer.weight)[0]
    assert torch.equal(plain, counted)


def test_a_step_leaves_nothing_behind_in_the_meter() -> None:
    """A node that keeps its own result must not keep itself alive, its backward pass run or not."""
    layer = nn.Linear(4, 4)
    with Meter(layer.parameters()) as meter:
        layer(torch.randn(8, 4)).tanh().exp()  # nobody goes back through it
        layer(torch.randn(8, 4)).tanh().sum().backward()
    gc.collect()
    assert meter.peak > 0 and meter.now == 0


def test_few_of_the_rows_are_weighed_and_each_says_the_most_so_far(trained) -> None:
    run = tiny_run("digits", trick="progressive", training={"budget": 16 * 24, "history": 24})
    actual = [row["step_memory_mb"] for row in trained(run)[1]["history"]]
    assert actual == sorted(actual) and actual[0] > 0
    assert actual[-1] > actual[0]  # a network that has grown keeps more
    assert sparse(list(range(1, 25)), 5) == [1, 5, 9, 13, 17, 21, 24]
