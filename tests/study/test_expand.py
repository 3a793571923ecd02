"""Settings that a variant draws for each seed."""

import pytest

from ganlore.errors import GanloreError
from ganlore.study.expand import expand
from tiny import tiny

AXES = {"datasets": ["ring"], "networks": ["mlp"]}


def test_a_variant_may_draw_settings_for_each_seed_the_same_for_all_losses():
    drawn = {
        "lr": {"low": 1e-4, "high": 1e-2, "log": True},
        "ratio": {"low": 0.25, "high": 4, "log": True},
        "clip": {"choices": [0.01, 0.1]},
        "network.depth": {"choices": [2, 3, 4]},
    }
    plan = expand(
        tiny(
            seeds=[0, 1, 2, 3],
            variants={"drawn": {"draw": drawn}},
            grids=[
                {**AXES, "losses": ["hinge", "wgan"], "tricks": ["none"], "variants": ["drawn"]}
            ],
        )
    )
    of = {(run.loss.name, run.seed): run for run in plan.runs}
    rates = [of["hinge", seed].optimizer.lr for seed in range(4)]
    assert len(set(rates)) == 4 and all(1e-4 <= rate <= 1e-2 for rate in rates)
    for seed in range(4):
        hinge, wgan = of["hinge", seed], of["wgan", seed]
        assert hinge.optimizer == wgan.optimizer and hinge.network == wgan.network
        assert 0.25 <= hinge.optimizer.lr_discriminator / hinge.optimizer.lr <= 4
        assert wgan.loss.settings["clip"] in (0.01, 0.1) and "clip" not in hinge.loss.settings


def test_what_nothing_has_cannot_be_drawn():
    grids = [{**AXES, "losses": ["hinge"], "tricks": ["none"], "variants": ["drawn"]}]
    drawn = {"draw": {"network.dept": {"choices": [2]}}}
    with pytest.raises(GanloreError, match=r"variants.drawn.draw.*network.dept"):
        expand(tiny(variants={"drawn": drawn}, grids=grids))
