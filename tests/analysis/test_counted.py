"""What the cells of a study are counted by as converged, on claims made for it."""

from __future__ import annotations

import copy
from typing import Any

from ganlore.analysis.claims import counted
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Cell

FID = ("fid", "best")


def test(take: str, of: str, losses: str, variant: str = "base", **more: Any) -> dict[str, Any]:
    return {
        "take": take,
        "of": of,
        "claimed": "lower",
        "margin": 0.1,
        "treatment": {"losses": [losses], "variants": [variant]},
        "constant": 1.0,
        **more,
    }


test.__test__ = False  # type: ignore[attr-defined]


def asked(*tests: dict[str, Any]) -> dict[Cell, counted.Asked]:
    claim = {"statement": "It helps.", "articles": ["000"], "tests": list(tests)}
    document = {
        "name": "made-up",
        "seeds": [0, 1],
        "training": {"budget": 60 * 64, "snapshots": 6, "history": 12},
        "variants": {
            "frozen": {"training": {"freeze_generator": 0.5}},
            "moment": {"training": {"budget": 30 * 64}},
        },
        "grids": [
            {"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
        ],
        "claims": {
            "articles": {"000": {"language": "Arabic", "about": "losses"}},
            "claims": {"C01": claim},
        },
    }
    return counted.asked_of(expand(schema.parse(copy.deepcopy(document), "made-up.yaml")))


def cell(loss: str, variant: str = "base") -> Cell:
    return Cell("digits", "mlp", loss, "none", variant)


def test_a_cell_is_counted_by_the_best_fid_so_far():
    assert asked(test("end", "fid", "hinge")) == {cell("hinge"): FID, cell("lsgan"): FID}
    assert asked(test("late", "d_loss", "hinge"))[cell("hinge")] == FID  # nothing is asked


def test_or_by_what_all_of_its_gated_tests_ask_in_its_place():
    error = {"converged_by": "reconstruction_mse", "converged": "plateau"}
    mse = test("end", "reconstruction_mse", "gan-mse", **error)
    assert asked(mse)[cell("gan-mse")] == ("reconstruction_mse", "plateau")
    strict = test("end", "reconstruction_mse", "gan-mse", converged_by="reconstruction_mse")
    assert asked(mse, strict)[cell("gan-mse")] == ("reconstruction_mse", True)
    both = asked(mse, test("best", "fid", "gan-mse"))
    assert both[cell("gan-mse")] == FID
    ungated = test("late", "d_loss", "gan-mse")
    assert asked(mse, ungated)[cell("gan-mse")] == ("reconstruction_mse", "plateau")


def test_what_has_a_frozen_generator_is_not_counted_nor_what_it_alone_is_held_against():
    held = {"relative_to": {"variant": "moment"}}
    frozen = test("late", "g_gradient_norm", "hinge", "frozen", **held)
    assert asked(frozen).keys() == {cell("lsgan")}
    assert asked(test("end", "fid", "hinge", converged="never")).keys() == {cell("lsgan")}
    used = asked(frozen, test("end", "fid", "hinge", "moment"))
    assert used.keys() == {cell("lsgan"), cell("hinge", "moment")}
    free = test("end", "fid", "hinge", **held)
    assert asked(free).keys() == {cell("lsgan"), cell("hinge"), cell("hinge", "moment")}


def test_without_claims_every_cell_is_counted_by_fid():
    document = {
        "name": "made-up",
        "seeds": [0],
        "training": {"budget": 640, "freeze_generator": 0.0},
        "grids": [
            {"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
        ],
    }
    assert counted.asked_of(expand(schema.parse(document, "made-up.yaml"))) == {cell("lsgan"): FID}
