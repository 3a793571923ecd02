"""The perceptual term, the extractor that it takes its features from, and that runs know of it."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

import step_costs
from ganlore import arrays, features, provenance, storage
from ganlore.cli import jobs
from ganlore.errors import GanloreError
from ganlore.evaluation import collect
from ganlore.execution import freshness, status
from ganlore.features import residual_classifier
from ganlore.features._classifying import Classes, Classifying
from ganlore.forecast import costs
from ganlore.publishing import verify
from ganlore.steps import Step
from ganlore.steps.scaling import to_network
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.study.run import Plan, Run
from ganlore.training import build, checkpoint, session, trainer
from step_costs import TURNS, Bench
from tiny import at_step, equal, tiny, tiny_run

CPU = torch.device("cpu")
NAME = "residual-classifier"
RUN = tiny_run("digits", trick="perceptual")
PLAIN = tiny_run("digits")


class Linear(features.Extractor):
    """Two layers that can be calculated by hand: an image's first pixel, and all others doubled."""

    def describe(self, samples):
        raise NotImplementedError

    def layers(self, images):
        flat = images.flatten(1)
        return [flat[:, :1], 2 * flat[:, 1:]]


def step_of(stores, run, extractors, images=None) -> Step:
    """A generator's turn."""
    store = stores["digits"]
    train_state = build.train_state(run, store.shape, store.classes, CPU)
    train_state.extractors = extractors
    if images is None:
        images = torch.randn(8, *store.shape, generator=torch.Generator().manual_seed(0)).tanh()
    labels = torch.arange(8) % store.classes
    return Step(
        train_state,
        "generator",
        images,
        labels,
        torch.Generator().manual_seed(1),
        at_step(train_state),
        4,
    )


# -- the term --------------------------------------------------------------------------------------


def test_the_term_is_the_squared_distance_of_means_averaged_over_layers(stores) -> None:
    """By hand, for linear features: E phi(x) - E phi(G) is phi of the difference of mean images."""
    run = tiny_run(
        "digits", trick="perceptual", settings={"tricks": {"perceptual": {"weight": 3.0}}}
    )
    step = step_of(stores, run, {NAME: Linear()})
    loss = float(step.generator_loss().detach())
    adversarial = float(step.state.loss.generator(step).detach())
    away = (step.images.mean(0) - step.generated.detach().mean(0)).flatten()
    first, others = float(away[0] ** 2), float((2 * away[1:]).square().sum())
    assert loss - adversarial == pytest.approx(3 * (first + others) / 2, rel=1e-5)
    assert float(step.log["perceptual"]) == pytest.approx((first + others) / 2, rel=1e-5)


def test_it_is_zero_where_generated_images_are_the_real_ones(stores, fitted) -> None:
    step = step_of(stores, RUN, fitted(RUN))
    (trick,) = step.state.tricks
    assert float(trick.mismatch(step).detach()) > 0.1  # an untrained generator's
    step.generated = step.images.flip(0)  # in another order: only the batch counts
    assert float(trick.mismatch(step)) == pytest.approx(0, abs=1e-10)


def test_the_gradient_reaches_the_generator_and_nothing_else(stores, fitted) -> None:
    step = step_of(stores, RUN, fitted(RUN))
    (trick,) = step.state.tricks
    distance = trick.mismatch(step)
    weights = list(step.state.generator.parameters())
    pulls = torch.autograd.grad(distance, weights, retain_graph=True, allow_unused=True)
    assert all(pull is not None and pull.abs().max() > 0 for pull in pulls)
    judges = list(step.state.discriminator.parameters())
    assert set(torch.autograd.grad(distance, judges, allow_unused=True)) == {None}
    before = copy.deepcopy(step.state.extractors[NAME].network.state_dict())
    trainer.minimise(step.state.optimizers[0], step.generator_loss())
    network = step.state.extractors[NAME].network
    assert equal(before, network.state_dict())
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())


def test_following_the_gradient_makes_the_term_smaller(stores, fitted) -> None:
    step = step_of(stores, RUN, fitted(RUN))
    (trick,) = step.state.tricks
    fake = step.generated.detach().clone().requires_grad_()
    values = []
    for _ in range(20):
        step.generated = fake
        distance = trick.mismatch(step)
        (slope,) = torch.autograd.grad(distance, fake)
        values.append(float(distance.detach()))
        fake = (fake - 2.0 * slope).detach().requires_grad_()
    assert values[-1] < 0.8 * values[0]


def test_the_discriminator_s_step_is_what_it_is_without(stores, fitted) -> None:
    """The same bits after a discriminator's step; the generator's first step differs."""
    ends = {}
    for run in (RUN, PLAIN):
        bench = Bench(run, stores["digits"], fitted(run))
        bench.step("discriminator", 0)
        critic = copy.deepcopy(bench.state.discriminator.state_dict())
        actor = copy.deepcopy(bench.state.generator.state_dict())
        bench.step("generator", 0)
        assert equal(critic, bench.state.discriminator.state_dict())
        ends[run.trick] = critic, actor, bench.state.generator.state_dict()
    mine, plain = ends["perceptual"], ends["none"]
    assert equal(mine[:2], plain[:2]) and not equal(mine[2], plain[2])


def test_a_weight_of_zero_changes_no_bit(trained) -> None:
    none = {"tricks": {"perceptual": {"weight": 0.0}}}
    _, weightless = trained(tiny_run("digits", trick="perceptual", settings=none))
    assert equal(weightless["networks"], trained(PLAIN)[1]["networks"])


@pytest.mark.parametrize("trick", ["packing+perceptual", "perceptual+packing"])
def test_it_sees_images_as_they_are_not_as_the_discriminator_does(stores, fitted, trick) -> None:
    step = step_of(stores, tiny_run("digits", trick=trick), fitted(RUN))
    alone = step_of(stores, RUN, fitted(RUN))
    for part in step.state.tricks:
        part.view = lambda images, training_step: 0 * images
    assert not step.fake.any()
    actual = next(part for part in step.state.tricks if part.name == "perceptual")
    assert torch.equal(actual.mismatch(step), alone.state.tricks[0].mismatch(alone))


def test_two_batches_of_data_are_two_nths_apart(stores, fitted) -> None:
    """The unit: E |mean of N - mean of N|^2 is 2 / N of the total variance, for every layer."""
    images = to_network(torch.from_numpy(stores["digits"].samples("train").copy()))
    layers = fitted(RUN)[NAME].layers(images)
    rng = torch.Generator().manual_seed(0)
    n = 16
    drawn = [torch.randint(len(images), (400, n), generator=rng) for _ in range(2)]
    assert len(layers) == 3 and [phi.shape[1] for phi in layers] == [16 * 64, 32 * 16, 32]
    for phi in layers:
        one, other = (phi[index].mean(1) for index in drawn)
        apart = (one - other).square().sum(1).mean()
        assert float(apart) == pytest.approx(2 / n, rel=0.1)


def test_no_pass_is_made_twice_and_each_is_counted(stores, fitted) -> None:
    bench = Bench(RUN, stores["digits"], fitted(RUN))
    seen = {phase: step_costs.watch(bench, phase) for phase in TURNS}
    assert not any(watched.twice for watched in seen.values())
    assert NAME not in seen["discriminator"].passes(16)
    # real and generated images, of which one has a gradient
    mine = seen["generator"]
    stage = f"{NAME}", "stages.0"
    assert (mine.forward[stage], mine.backward[stage]) == (32, 16)
    plain = Bench(PLAIN, stores["digits"])
    assert step_costs.watch(plain, "generator").passes(16) in mine.passes(16)


# -- the extractor ---------------------------------------------------------------------------------


def test_the_extractor_knows_digits_and_is_not_the_one_of_evaluation(stores) -> None:
    store = stores["digits"]
    extractor = registry.create("extractor", NAME, {"epochs": 6})
    weights, record = extractor.fit(store)
    assert record["test_accuracy"] > 0.9  # 0.99 with all its epochs; 0.1 by chance
    extractor.load(weights, store)
    assert not extractor.network.training
    assert not any(isinstance(m, nn.BatchNorm2d) for m in extractor.network.modules())
    theirs = registry.create("extractor", "classifier", {})
    assert (type(extractor), extractor.seed) != (type(theirs), theirs.seed)
    assert weights.keys() - {"head.weight", "head.bias"} != theirs.build(store).state_dict().keys()
    evaluated = registry.declaration("dataset", "digits").fact("extractors")
    assert NAME not in evaluated and RUN.training_extractors == (NAME,)


def test_features_are_of_each_image_alone_and_the_same_when_opened(stores, tmp_path) -> None:
    store = stores["digits"]
    folder = tmp_path / "data/extractors/digits" / NAME
    images = to_network(torch.from_numpy(store.samples("test")[:9].copy()))
    extractor = fit_quickly(store, folder)
    opened = features.open_fitted(NAME, store, folder)
    whole = extractor.layers(images)
    assert equal(whole, opened.layers(images))
    for phi, alone in zip(whole, opened.layers(images[4:5]), strict=True):
        assert torch.allclose(phi[4:5], alone, atol=1e-5)
    described = opened.describe(store.samples("test")).features
    assert (
        described.shape[1]
        == json.loads((folder / "record.json").read_text(encoding="utf-8"))["dimensions"]
    )


@contextmanager
def hurried(epochs: int = 1) -> Iterator[None]:
    """Within it extractors are fitted in fewer epochs."""
    create = registry.create

    def quick(kind, name, settings):
        return create(kind, name, settings | ({"epochs": epochs} if kind == "extractor" else {}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "create", quick)
        yield


def fit_quickly(store, folder: Path, epochs: int = 1) -> features.Extractor:
    """What `features.fit` writes, of fewer epochs."""
    with hurried(epochs):
        features.fit(folder.name, store, folder)
        return features.open_fitted(folder.name, store, folder)


def test_total_variances_are_those_of_all_images_whatever_the_chunks(monkeypatch) -> None:
    network = residual_classifier.Network((1, 8, 8), 10, 4)
    images = torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 5
    with torch.no_grad():
        by_hand = [phi.double().var(0, correction=0).sum() for phi in network.activations(images)]
        for chunk in (7, 30):
            monkeypatch.setattr(residual_classifier, "CHUNK", chunk)
            actual = residual_classifier._total_variances(network, images)
            assert torch.allclose(actual, torch.stack(by_hand), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (2, 7, 5)])
def test_layers_go_down_to_four_pixels(shape) -> None:
    network = residual_classifier.Network(shape, 10, 4)
    actual = network.activations(torch.randn(2, *shape))
    assert all(phi.shape[0] == 2 for phi in actual) and network(torch.randn(2, *shape)).shape == (
        2,
        10,
    )
    assert len(actual) == 2 + math.ceil(math.log2(shape[1] / 4))


def test_an_extractor_without_layers_says_so() -> None:
    with pytest.raises(NotImplementedError, match="coordinates has no layers"):
        registry.create("extractor", "coordinates", {}).layers(torch.zeros(1, 2))


def test_both_classifiers_are_fitted_by_one_loop_and_keep_their_own_networks(stores) -> None:
    for name in ("classifier", NAME):
        extractor = registry.create("extractor", name, {})
        assert isinstance(extractor, Classifying)
        assert isinstance(extractor.build(stores["digits"]), Classes)


# -- what has no meaning ---------------------------------------------------------------------------


def test_points_have_no_such_features() -> None:
    plan = expand(
        tiny(grids=[{"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"],
                     "tricks": ["none", "perceptual"]}])
    )  # fmt: skip
    assert [run.trick for run in plan.runs] == ["none"]
    (gap,) = plan.missing
    assert gap.reason.startswith("perceptual: ") and "points" in gap.reason


def test_evaluation_may_not_use_the_features_of_training(monkeypatch) -> None:
    assert why_not("digits", "mlp", "hinge", ["perceptual"]) is None
    declared = registry.declaration("dataset", "digits")
    monkeypatch.setitem(declared.facts, "extractors", ("classifier", NAME))
    reason = why_not("digits", "mlp", "hinge", ["ema", "perceptual"])
    assert reason.plugin == "perceptual" and NAME in reason.text and len(reason.text) > 30
    assert why_not("digits", "mlp", "hinge", ["ema"]) is None


# -- what a run is made of -------------------------------------------------------------------------


def test_a_run_without_it_is_what_it_was(stores) -> None:
    """Neither settings nor what a saved state must agree with tell of extractors."""
    store = stores["digits"]
    assert PLAIN.training_extractors == ()
    plain = json.loads(checkpoint.identity(PLAIN, store, {}))
    assert plain == [PLAIN.training_hash(), PLAIN.training_code(), store.digest]
    for run in (PLAIN, RUN):
        settings = json.loads(run.training_settings())
        assert "extractors" not in settings
        assert Run.model_validate(settings).training_extractors == run.training_extractors
    assert checkpoint.identity(RUN, store, {NAME: "a"}) != checkpoint.identity(
        RUN, store, {NAME: "b"}
    )


def test_the_code_of_the_extractor_is_code_of_its_runs_alone(monkeypatch) -> None:
    from ganlore.study import fingerprint

    path = registry.path_of("extractor", NAME)
    for run, uses in ((RUN, True), (PLAIN, False)):
        files = []
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint, "of", lambda inputs, files=files: files.extend(inputs) or "")
            fingerprint.training.__wrapped__(
                run.network.name, run.loss.name, run._trick_files, run.training_extractors
            )
        assert (path in files) == uses
    assert RUN.training_code() != PLAIN.training_code()


def test_all_extractors_of_a_plan_are_fitted_and_those_of_evaluation_measure() -> None:
    axes = {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge"]}
    plan = expand(tiny(grids=[{**axes, "tricks": ["none", "perceptual", ["perceptual", "ema"]]}]))
    assert plan.extractors == {"digits": ("classifier", NAME)}
    assert all(run.extractors == ["classifier"] for run in plan.runs)
    assert [run.training_extractors for run in plan.runs] == [(), (NAME,), (NAME,)]


def test_an_interrupted_run_goes_on_to_the_same_bits(stores, trained, fitted, tmp_path) -> None:
    run = tiny_run("digits", "hinge", "perceptual", training={"budget": 480, "history": 6})
    _, undisturbed = trained(run)
    store, extractors = stores["digits"], fitted(run)
    state = checkpoint.Checkpoints(tmp_path, checkpoint.identity(run, store, {NAME: "0"}), 0.0)
    save = checkpoint.Checkpoints.save

    def save_then_die(self, step, *rest):
        save(self, step, *rest)
        if step >= 15:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Checkpoints, "save", save_then_die)
        session.train(run, store, state, CPU, extractors)
    assert session.train(run, store, state, CPU, extractors) == "done"
    resumed = arrays.read_sealed(state.path)
    assert equal(undisturbed["networks"], resumed["networks"])
    assert equal(undisturbed["optimizers"], resumed["optimizers"])
    assert equal(undisturbed["snapshots"], state.snapshots())
    assert not any("variances" in name for part in resumed["networks"].values() for name in part)


# -- a whole study, by the command line ------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(stores, tmp_path_factory) -> Plan:
    """Two runs, one of which trains with the extractor, by the commands that Snakemake runs."""
    folder = tmp_path_factory.mktemp("study")
    data, results = folder / "data", folder / "results"
    shutil.copytree(stores["digits"].folder, data / "prepared/digits")
    axes = {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["nonsaturating"]}
    places = {"data": str(data), "results": str(results), "reports": str(folder / "reports")}
    study = tiny(grids=[{**axes, "tricks": ["none", "perceptual"]}], **places)
    plan = expand(study)
    fit_quickly(stores["digits"], data / "extractors/digits" / NAME)
    fit_quickly(stores["digits"], data / "extractors/digits/classifier")
    for run in plan.runs:
        jobs.train(settings=run.training_settings(), data=data, results=results)
        jobs.evaluate(settings=run.model_dump_json(), data=data, results=results)
    return plan


@pytest.fixture
def mine(finished, tmp_path) -> Plan:
    """The same study in a place of its own, for damaging."""
    for name in ("data", "results"):
        shutil.copytree(getattr(finished.study, name), tmp_path / name)
    places = {name: str(tmp_path / name) for name in ("data", "results", "reports")}
    return expand(finished.study.model_copy(update=places))


def test_a_study_is_collected_verified_and_each_run_tells_what_it_used(finished) -> None:
    tables = collect.collect(finished)
    assert set(tables["metrics"].extractor) == {"classifier"}
    assert set(tables["floor"].extractor) == {"classifier"}
    data = Path(finished.study.data)
    reported = {}
    for run in finished.runs:
        reported[run.trick] = storage.read_json(finished.folder(run) / "run.json", "")
        evaluated = storage.read_json(finished.folder(run) / "evaluation.json", "")
        assert list(evaluated["extractors"]) == ["classifier"]
    digest = storage.sha256(data / "extractors/digits" / NAME / "record.json")
    assert reported["perceptual"]["extractors"] == {NAME: digest}
    assert "extractors" not in reported["none"]
    assert verify.verify(finished).wrong == []
    assert {status.progress(finished, run).state for run in finished.runs} == {"done"}
    history = tables["history"]
    assert history[history.trick == "perceptual"].perceptual.notna().all()


def test_a_run_trained_with_another_extractor_is_stale(mine, stores) -> None:
    data = Path(mine.study.data)
    folder = data / "extractors/digits" / NAME
    fit_quickly(stores["digits"], folder, epochs=2)
    plain, run = mine.runs
    with pytest.raises(GanloreError, match=r"1 of 2 runs.*\n.*trained with other extractors"):
        collect.collect(mine)
    with pytest.raises(GanloreError, match="trained with other extractors"):
        jobs.evaluate(settings=run.model_dump_json(), data=data, results=Path(mine.study.results))
    assert status.progress(mine, run).state == "stale"
    assert status.progress(mine, plain).state == "done"
    (finding,) = verify.verify(mine).wrong
    assert "perceptual" in finding and "other extractors" in finding
    jobs.train(settings=run.training_settings(), data=data, results=Path(mine.study.results))
    record = storage.read_json(mine.folder(run) / "run.json", "")
    freshness.changes(run, record, data=data).check(mine.folder(run))


def test_a_missing_or_damaged_extractor_is_told(mine) -> None:
    data, run = Path(mine.study.data), mine.runs[1]
    weights = data / "extractors/digits" / NAME / "weights.pt"
    weights.write_bytes(weights.read_bytes()[:-8])
    words = {"settings": run.training_settings(), "data": data, "results": data / "again"}
    with pytest.raises(GanloreError, match=r"weights\.pt: truncated or altered"):
        jobs.train(**words)
    assert len(verify.verify(mine).wrong) == 1
    shutil.rmtree(weights.parent)
    with pytest.raises(GanloreError, match=f"missing\n.*ganlore extract digits {NAME}"):
        jobs.train(**words)
    with pytest.raises(GanloreError, match=f"missing\n.*ganlore extract digits {NAME}"):
        provenance.fitted([NAME], "digits", data)
    assert status.progress(mine, run).state == "stale"


def test_a_state_of_another_extractor_is_not_continued(mine, stores, trained, monkeypatch) -> None:
    """A killed run whose extractor was fitted anew begins again."""
    data, run = Path(mine.study.data), mine.runs[1]
    words = {"settings": run.training_settings(), "data": data, "save_every": 0.0}
    monkeypatch.setattr(checkpoint, "finish", lambda *_: None)  # what a killed run leaves
    jobs.train(**words, results=data / "killed")
    state = data / "killed/state" / run.id / "state.pt"
    first = arrays.read_sealed(state)
    fit_quickly(stores["digits"], data / "extractors/digits" / NAME, epochs=2)
    jobs.train(**words, results=data / "killed")
    jobs.train(**words, results=data / "fresh")
    again = arrays.read_sealed(state)
    fresh = arrays.read_sealed(data / "fresh/state" / run.id / "state.pt")
    assert equal(again["networks"], fresh["networks"])
    assert not equal(again["networks"], first["networks"])
    assert again["identity"] != first["identity"]


def test_the_cost_of_a_run_can_be_measured_before_it_is_fitted(stores, tmp_path) -> None:
    axes = {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge"]}
    plan = expand(
        tiny(
            grids=[{**axes, "tricks": ["perceptual"]}], data=str(stores["digits"].folder.parents[1])
        )
    )
    with hurried():
        reported = costs.Costs(plan, tmp_path)
        assert reported.measure(plan.runs[0]) > 0 and all(reported.work.values())
