"""What training or evaluation cannot do is refused by the plan, with the key and the bound."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from ganlore import settings
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.evaluation import evaluate
from ganlore.metrics import neighbours
from ganlore.networks import Spec
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.training import build, checkpoint, session
from tiny import TINY, tiny, tiny_run

AXES = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
LONG = "a" * 300
TRICKS = ["instance-noise", "learning-rate-decay", "spectral-norm-both", "ttur", "ema", "lecam",
          "gradient-penalty", "r1", "r2", "minibatch-stddev", "minibatch-discrimination",
          "dragan-penalty", "relativistic-paired", "unrolled", "packing",
          "diffaugment", "self-attention"]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        *[({"protocol": {key: n}}, [f"protocol.{key} = {n}", "greater than or equal to 6"])
          for key in ("n_fake", "n_real", "n_neighbours") for n in (1, 3, 5)],
        ({"protocol": {"n_fake": 300_000_000}}, ["protocol.n_fake", "less than or equal to"]),
        ({"protocol": {"pictures": 10**9}}, ["protocol.pictures"]),
        ({"protocol": {"eval_seed": 2**63}}, ["protocol.eval_seed"]),
        ({"training": {"batch": 1}}, ["training.batch = 1", "network mlp needs at least 2", "batch norm"]),
        ({"training": {"threads": 4096}}, ["training.threads = 4096", "1024"]),
        ({"training": {"threads": 1e30}}, ["training.threads"]),
        ({"training": {"history": 1e30}}, ["training.history"]),
        ({"training": {"latent": 1e30}}, ["training.latent"]),
        ({"training": {"budget": 1e30}}, ["training.budget"]),
        ({"seeds": [2**63]}, ["seeds.0"]),
        ({"settings": {"networks": {"mlp": {"width": 1e30}}}}, ["network 'mlp'", "width"]),
        ({"settings": {"datasets": {"ring": {"n_test": 5}}}}, ["ring.n_test = 5", "at least 6"]),
        ({"settings": {"datasets": {"ring": {"n_train": 5}}}, "training": {"batch": 4}}, ["ring.n_train = 5"]),
        ({"name": LONG}, ["name", "100 characters"]),
        ({"variants": {LONG: {}}}, ["variants", "100 characters"]),
        ({"results": LONG}, ["results", "200 bytes"]),
        ({"results": "r/" * 600}, ["results", "1000 in all"]),
        ({"results": ""}, ["results", "at least 1 character"]),
        ({"results": "results/{x}"}, ["results", "'{', '}'", "wildcards"]),
        ({"data": "a\nb"}, ["data", r"'\n'"]),
        ({"reports": "{}"}, ["reports", "wildcards"]),
        ({"results": "a\0b"}, ["results", "NUL"]),
        ({"title": "a\0b"}, ["title", "NUL"]),
        ({"settings": {"datasets": {"folder": {"path": "a\0b"}}}}, ["path", "NUL"]),
        ({"grids": [{**AXES, "losses": ["hin\0ge"]}]}, ["grids.0.losses.0", "NUL"]),
        ({"grids": [{**AXES, "datasets": ["digits"], "networks": ["dcgan"], "tricks": [TRICKS]}]}, ["a name of", "can have 200", "fewer tricks"]),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_refused(changes: dict[str, Any], reported: list[str]) -> None:
    base = {**TINY, "grids": [AXES]}
    with pytest.raises(GanloreError) as caught:
        expand(schema.parse(schema.merge(base, changes), "study"))
    for part in reported:
        assert part in str(caught.value)


def test_plan_says_so_without_measuring(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = schema.merge({**TINY, "grids": [AXES]}, {"protocol": {"n_fake": 3}})
    Path("study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    result = CliRunner().invoke(app, ["plan", "study.yaml", "--no-measure"])
    assert result.exit_code == 1 and "protocol.n_fake = 3" in str(result.exception)


def test_a_nul_in_the_settings_of_a_job_is_refused() -> None:
    words = ["prepare", "folder", "--settings", json.dumps({"path": "a\0b"})]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, GanloreError) and "NUL" in str(result.exception)


def test_the_least_that_is_accepted_is_trained_and_evaluated(stores, tmp_path, monkeypatch) -> None:
    from ganlore import features

    least = {"n_fake": 6, "n_real": 6, "n_neighbours": 6}
    run = tiny_run(training={"batch": 2, "budget": 20, "history": 1}, protocol=least)
    store = stores["ring"]
    data = store.folder.parents[1]
    features.fit("coordinates", store, data / "extractors/ring/coordinates")
    state = checkpoint.Checkpoints(tmp_path / "state", checkpoint.identity(run, store))
    status = session.train(run, store, state, torch.device("cpu"))
    rows, _ = evaluate.evaluate(run, {"status": status}, state.snapshots(), store, data)
    values = {row["metric"]: row["value"] for row in rows}
    assert {"fid", "kid", "precision", "recall", "density", "coverage"} <= values.keys()
    assert all(map(math.isfinite, values.values())) and status == "done"


def test_the_least_number_of_samples_is_that_of_the_metrics() -> None:
    """Study settings import no metrics, so that the number stands in two places."""
    assert max(neighbours.PRECISION_K, neighbours.DENSITY_K) + 1 == settings.LEAST


@pytest.mark.parametrize("network", list(registry.find("network")))
def test_a_network_trains_with_the_least_batch_that_it_declares(network: str) -> None:
    declared = registry.declaration("network", network)
    shape = (2,) if "points" in declared.fact("requires", {}) else (1, 8, 8)
    plugin = registry.create("network", network, {})
    spec = Spec(shape, latent=16)
    generator = plugin.generator(spec).train()
    discriminator = plugin.discriminator(spec).train()
    least = declared.fact("least_batch", 1)
    assert discriminator(generator(torch.randn(least, 16))).isfinite().all()
    if least > 1:
        with pytest.raises(ValueError, match="more than 1 value"):
            generator(torch.randn(least - 1, 16))


def test_batch_one_is_accepted_where_it_works() -> None:
    grids = [{**AXES, "datasets": ["digits"], "networks": ["dcgan"]}]
    run = expand(tiny(grids=grids, training={"batch": 1, "budget": 20})).runs[0]
    assert build.optimizer_settings(run, []) and run.training.steps == 20
