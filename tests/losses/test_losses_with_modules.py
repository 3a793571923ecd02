"""Losses that need more than logits, each against a calculation by hand on a real step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganlore import data as datasets
from ganlore import features, metrics
from ganlore.data import Split, Store
from ganlore.evaluation import evaluate, sampling
from ganlore.networks import AutoEncoder, Discriminator, Spec
from ganlore.steps import Step, TrainState, seeding
from ganlore.study import registry
from ganlore.training import build
from ganlore.training.batches import Batches
from tiny import at_step, equal, tiny_run

CPU = torch.device("cpu")


def play(
    stores: dict[str, Store], loss: str, trick: str = "none", dataset: str = "ring", **changes: Any
) -> TrainState:
    """A training state at step 0."""
    run = tiny_run(dataset, loss, trick, **changes)
    store = stores[dataset]
    return build.train_state(run, store.shape, store.classes, CPU)


def step(state: TrainState, phase: Any, stores: dict[str, Store], dataset: str = "ring") -> Step:
    batch = Batches(stores[dataset], 16, 0, CPU)[0]
    return Step(state, phase, *batch, torch.Generator().manual_seed(5), at_step(state), 4)


def gradients(value: Tensor, module: nn.Module) -> list[Tensor]:
    actual = torch.autograd.grad(
        value, list(module.parameters()), allow_unused=True, retain_graph=True
    )
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(module.parameters(), actual, strict=True)
    ]


def close(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6, rtol=1e-4) for a, b in zip(one, other, strict=True))


def any_moves(actual: list[Tensor]) -> bool:
    return any(bool(g.abs().sum() > 0) for g in actual)


# -- began -----------------------------------------------------------------------------------------


class Halve(nn.Module):
    """An auto-encoder that gives back half of what it sees."""

    reads_out = False

    def features(self, images: Tensor) -> Tensor:
        return images

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        return features / 2


@pytest.fixture
def halving(stores) -> TrainState:
    """BEGAN with a critic whose error is known: L(v) = mean |v| / 2."""
    state = play(stores, "began", settings={"losses": {"began": {"lam": 0.5, "gam": 0.5}}})
    state.discriminator = cast("Any", Halve())
    return state


def k_of(state: TrainState) -> Tensor:
    return cast("Any", state.modules["balance"]).k


def test_began_by_hand(halving: TrainState, stores) -> None:
    k_of(halving).fill_(0.3)
    training_step = step(halving, "discriminator", stores)
    real, fake = training_step.images.abs().mean() / 2, training_step.generated.abs().mean() / 2
    assert float(halving.loss.discriminator(training_step)) == pytest.approx(
        float(real - 0.3 * fake)
    )
    assert float(halving.loss.generator(training_step)) == pytest.approx(float(fake))
    halving.loss.after_discriminator(training_step)
    surplus = float(0.5 * real - fake)
    assert float(k_of(halving)) == pytest.approx(0.3 + 0.5 * surplus, abs=1e-6)
    assert float(training_step.log["convergence"]) == pytest.approx(
        float(real) + abs(surplus), abs=1e-6
    )
    assert float(training_step.log["k"]) == pytest.approx(float(k_of(halving)))


@pytest.mark.parametrize("scale, bound", [(100.0, 0.0), (0.0, 1.0)])
def test_began_k_stays_between_0_and_1(
    halving: TrainState, stores, scale: float, bound: float
) -> None:
    """Generated samples that are redrawn far worse, or far better, than real ones."""
    for _ in range(30):
        training_step = step(halving, "discriminator", stores)
        training_step.generated = training_step.generated * scale
        halving.loss.after_discriminator(training_step)
        assert 0 <= float(k_of(halving)) <= 1
    assert float(k_of(halving)) == bound


def test_began_redraws_each_sample_by_itself(stores) -> None:
    """A decoder with batch norm would not; and the code is narrower than a sample."""
    for dataset in ("ring", "digits"):
        state = play(stores, "began", dataset=dataset)
        assert isinstance(state.discriminator, AutoEncoder)
        training_step = step(state, "discriminator", stores, dataset)
        alone = torch.cat([training_step.discriminate(image[None]) for image in training_step.real])
        assert torch.allclose(training_step.real_logits, alone, atol=1e-6)
        assert state.discriminator.width < math.prod(stores[dataset].shape)


def test_began_draws_noise_between_minus_1_and_1(stores) -> None:
    noise = play(stores, "began").loss.latent(5000, 4, torch.Generator().manual_seed(0))
    assert noise.shape == (5000, 4)
    assert noise.min() >= -1 and noise.max() <= 1
    assert float(noise.std()) == pytest.approx(2 / math.sqrt(12), abs=0.01)


# -- cgan ------------------------------------------------------------------------------------------


def test_projection_by_hand() -> None:
    """psi(phi(x)) + y' V phi(x), equation 4 of arXiv:1802.05637."""
    critic = Discriminator(nn.Identity(), 3, Spec((3,), 2, classes=4))
    x, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    table = cast("nn.Embedding", critic.embedding).weight
    by_hand = x @ critic.head.weight[0] + critic.head.bias + (table[y] * x).sum(1)
    assert torch.allclose(critic(x, y), by_hand, atol=1e-6)


def test_packs_are_told_the_label_of_each_of_their_samples(stores) -> None:
    """The embedding of a label depends on the sample's place in the pack."""
    state = play(stores, "cgan", "packing")
    critic = cast("Discriminator", state.discriminator)
    training_step = step(state, "discriminator", stores)
    assert training_step.labels is not None and training_step.class_labels is not None
    assert training_step.class_labels.tolist() == training_step.labels.reshape(8, 2).tolist()
    table = cast("nn.Embedding", critic.embedding).weight
    assert table.shape[0] == 2 * stores["ring"].classes
    features = critic.features(training_step.images.reshape(8, 4))
    first, second = training_step.labels.reshape(8, 2).T
    reported = table[first] + table[second + stores["ring"].classes]
    by_hand = critic.head(features).squeeze(1) + (reported * features).sum(1)
    assert torch.allclose(training_step.real_logits, by_hand, atol=1e-5)


def test_the_generator_hears_the_label(stores) -> None:
    state = play(stores, "cgan")
    generator = state.generator.eval()
    noise = torch.randn(4, 4)
    zero, one = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    assert not torch.allclose(generator(noise, zero), generator(noise, one))
    assert torch.equal(generator(noise, zero), generator(noise, zero))


def test_only_conditional_losses_are_told(stores) -> None:
    assert step(play(stores, "nonsaturating"), "discriminator", stores).class_labels is None


def test_share_of_the_asked_class() -> None:
    rng = np.random.default_rng(0)
    seen = {"real": rng.normal(size=(20, 2)), "fake": rng.normal(size=(8, 2))}
    modes = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    asked = np.array([0, 1, 2, 0, 0, 1, 3, 3])
    actual = metrics.measure_all(metrics.Comparison(**seen, modes=modes, asked=asked))
    assert actual["asked_share"] == 6 / 8
    assert "asked_share" not in metrics.measure_all(metrics.Comparison(**seen, modes=modes))


# -- infogan ---------------------------------------------------------------------------------------


def test_codes_are_part_of_the_noise(stores) -> None:
    state = play(stores, "infogan")
    loss = cast("Any", state.loss)
    latent = loss.latent(4000, 4, torch.Generator().manual_seed(0))
    assert latent.shape == (4000, 4 + 10 + 2)
    chosen, codes = loss.codes(latent)
    onehot = latent[:, 4:14]
    assert (onehot.sum(1) == 1).all() and (onehot.max(1).values == 1).all()
    assert torch.equal(onehot.argmax(1), chosen)
    assert (chosen.bincount(minlength=10) > 300).all()
    assert codes.min() >= -1 and codes.max() <= 1
    assert state.generator(latent[:3]).shape == (3, 2)


@pytest.mark.parametrize("trick", ["none", "packing"])
@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_infogan_bound_by_hand(stores, trick: str, phase: str) -> None:
    """One softmax for the category, a unit Gaussian for each code, the entropies of both."""
    state = play(stores, "infogan", trick)
    loss, training_step = cast("Any", state.loss), step(state, phase, stores)
    q = cast("nn.Linear", state.modules["q"])
    read = (
        (training_step.fake_features @ q.weight.T + q.bias)
        .detach()
        .double()
        .reshape(16, 12)
        .numpy()
    )
    chosen, codes = (part.numpy() for part in loss.codes(training_step.latent))
    logits, means = read[:, :10], read[:, 10:]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    categorical = np.log(probabilities[np.arange(16), chosen]).mean() + math.log(10)
    density = np.exp(-0.5 * (codes - means) ** 2) / math.sqrt(2 * math.pi)
    continuous = np.log(density).sum(1).mean() + 2 * math.log(2)
    actual = float(loss.information(training_step).detach())
    assert actual == pytest.approx(categorical + 0.1 * continuous, abs=1e-5)
    assert float(training_step.log["information_categorical"]) == pytest.approx(
        categorical, abs=1e-5
    )
    assert float(training_step.log["information_continuous"]) == pytest.approx(continuous, abs=1e-5)
    plain = (
        softplus(-training_step.real_logits).mean() + softplus(training_step.fake_logits).mean()
        if phase == "discriminator"
        else softplus(-training_step.fake_logits).mean()
    )
    assert float(getattr(loss, phase)(training_step).detach()) == pytest.approx(
        float(plain.detach()) - actual, abs=1e-5
    )


def test_infogan_bound_is_at_most_the_entropy(stores) -> None:
    """A Q that reads every category: I = H(c) = log 10."""
    state = play(stores, "infogan")
    loss, training_step = cast("Any", state.loss), step(state, "generator", stores)
    chosen, codes = loss.codes(training_step.latent)
    sure = torch.cat([60 * nn.functional.one_hot(chosen, 10), codes], dim=1)
    state.modules["q"] = cast(
        "Any", type("Sure", (nn.Module,), {"forward": lambda self, x: sure})()
    )
    loss.information(training_step)
    assert float(training_step.log["information_categorical"]) == pytest.approx(
        math.log(10), abs=1e-6
    )


def test_the_bound_has_a_gradient_where_it_should(stores) -> None:
    """The generator and Q in the generator's turn; the trunk and Q in the discriminator's."""
    state = play(stores, "infogan")
    loss = cast("Any", state.loss)
    bound = loss.information(step(state, "generator", stores))
    assert any_moves(gradients(bound, state.generator)) and any_moves(
        gradients(bound, state.modules)
    )
    bound = loss.information(step(state, "discriminator", stores))
    trunk = cast("Discriminator", state.discriminator).trunk
    assert any_moves(gradients(bound, trunk)) and any_moves(gradients(bound, state.modules))


def test_both_optimisers_train_q(stores) -> None:
    run = tiny_run(loss="infogan")
    state = build.train_state(run, (2,), 8, CPU)
    q = {id(p) for p in state.modules["q"].parameters()}
    for optimizer in state.optimizers:
        held = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert q <= set(held) and len(held) == len(set(held))


def test_mutual_information_of_code_and_class_by_hand() -> None:
    """I(a; b) over the mean entropy, from the table of counts."""
    rng = np.random.default_rng(1)
    codes = rng.integers(4, size=300)
    modes = np.where(rng.random(300) < 0.7, codes % 3, rng.integers(3, size=300))
    joint = np.zeros((4, 3))
    np.add.at(joint, (codes, modes), 1 / 300)

    def entropy(p: np.ndarray) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    one, other = entropy(joint.sum(1)), entropy(joint.sum(0))
    by_hand = (one + other - entropy(joint)) / ((one + other) / 2)
    seen = {"real": rng.normal(size=(20, 2)), "fake": rng.normal(size=(300, 2))}
    actual = metrics.measure_all(metrics.Comparison(**seen, modes=modes, codes=codes))
    assert actual["code_nmi"] == pytest.approx(by_hand, rel=1e-9)
    same = metrics.Comparison(**seen, modes=modes, codes=(modes + 5) * 2)
    assert metrics.measure_all(same)["code_nmi"] == pytest.approx(1)


# -- improved-gan ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trick", ["none", "packing", "relativistic"])
def test_feature_matching_by_hand(stores, trick: str) -> None:
    state = play(stores, "improved-gan", trick)
    training_step = step(state, "generator", stores)
    critic = state.discriminator
    difference = critic.features(training_step.real).mean(0) - critic.features(
        training_step.fake
    ).mean(0)
    value = state.loss.generator(training_step)
    assert float(value) == pytest.approx(float(difference.square().sum()), rel=1e-5)
    assert any_moves(gradients(value, state.generator))


def test_feature_matching_is_content_with_equal_means(stores) -> None:
    state = play(stores, "improved-gan")
    training_step = step(state, "generator", stores)
    training_step.generated = training_step.images[torch.randperm(16)].requires_grad_()
    assert float(state.loss.generator(training_step)) == pytest.approx(0, abs=1e-8)


# -- losses with an encoder ------------------------------------------------------------------------


@pytest.mark.parametrize("loss, power", [("gan-mse", 2), ("gan-mae", 1)])
@pytest.mark.parametrize("dataset", ["ring", "digits"])
def test_reconstruction_by_hand(stores, loss: str, power: int, dataset: str) -> None:
    state = play(stores, loss, dataset=dataset)
    training_step = step(state, "generator", stores, dataset)
    _ = training_step.generated
    with torch.no_grad():
        codes = state.modules["encoder"](training_step.images)
        again = state.generator.eval()(codes)
        state.generator.train()
    value = state.loss.generator(training_step)
    error = float((training_step.images - again).abs().pow(power).mean())
    adversarial = float(softplus(-training_step.fake_logits).mean())
    assert float(value) == pytest.approx(adversarial + 10 * error, rel=1e-5)
    assert float(training_step.log["reconstruction"]) == pytest.approx(error, rel=1e-5)
    assert any_moves(gradients(value, state.modules["encoder"]))


def test_an_encoder_changes_nothing_for_the_discriminator(stores) -> None:
    """gan-mse's discriminator step is the non-saturating one, bit for bit."""
    values = []
    for loss in ("nonsaturating", "gan-mse"):
        state = play(stores, loss)
        values.append(state.loss.discriminator(step(state, "discriminator", stores)))
    assert torch.equal(*values)


def test_reconstructing_leaves_the_statistics_of_samples_alone(stores) -> None:
    state = play(stores, "gan-mse")
    training_step = step(state, "generator", stores)
    _ = training_step.generated
    before = {name: value.clone() for name, value in state.generator.named_buffers()}
    training_step.reconstruct(torch.randn(16, 4))
    assert all(torch.equal(before[name], value) for name, value in state.generator.named_buffers())
    assert state.generator.training


def test_a_reconstruction_has_the_gradient_of_what_it_computed(stores) -> None:
    """G(z)'s pass changes batch norm's statistics in place; a gradient through a reconstruction
    that was made before it would be that of another function."""
    state = play(stores, "gan-mse").generator.double(), play(stores, "gan-mse")
    state[1].generator = state[0]
    training_step = step(state[1], "generator", stores)
    training_step.latent = training_step.latent.double()
    codes = torch.randn(16, 4, dtype=torch.float64, requires_grad=True)
    value = training_step.reconstruct(codes).square().sum()
    _ = training_step.generated
    (actual,) = torch.autograd.grad(value, codes)
    step_size = 1e-6
    moved = codes.detach().clone()
    moved[3, 2] += step_size
    with torch.no_grad():
        difference = training_step.reconstruct(moved).square().sum() - value
    assert float(actual[3, 2]) == pytest.approx(float(difference) / step_size, rel=1e-4)


def test_vaegan_divergence_against_torch(stores) -> None:
    state = play(stores, "vaegan")
    training_step = step(state, "generator", stores)
    _, kl = cast("Any", state.loss).posterior(training_step)
    mean, log_variance = state.modules["encoder"](training_step.images).chunk(2, dim=1)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    by_torch = torch.distributions.kl_divergence(posterior, prior).sum(1).mean()
    assert float(kl) == pytest.approx(float(by_torch), rel=1e-5)


def test_vaegan_codes_are_drawn_from_the_posterior(stores) -> None:
    state = play(stores, "vaegan")
    loss = cast("Any", state.loss)
    encoder = type("Known", (nn.Module,), {
        "forward": lambda self, x: torch.tensor([1.0, -2.0, math.log(4.0), 0.0]).repeat(len(x), 1)
    })()  # fmt: skip
    state.modules["encoder"] = encoder
    batch = torch.zeros(20_000, 2)
    training_step = Step(
        state, "generator", batch, None, torch.Generator().manual_seed(0), at_step(state), 2
    )
    codes, kl = loss.posterior(training_step)
    assert codes.mean(0).tolist() == pytest.approx([1, -2], abs=0.05)
    assert codes.std(0).tolist() == pytest.approx([2, 1], abs=0.05)
    # .5 (1 + 4 - 1 - log 4) + .5 (4 + 1 - 1 - 0)
    assert float(kl) == pytest.approx(0.5 * (4 - math.log(4)) + 2, rel=1e-5)


def vaegan_parts(state: TrainState, stores) -> tuple[Step, dict[str, Tensor]]:
    """The four terms of section 2, each from its own plain forward pass."""
    training_step = step(state, "generator", stores)
    _ = training_step.generated
    rng = torch.Generator().manual_seed(5)
    torch.randn(16, 4, generator=rng)  # the step's own noise is drawn first
    mean, log_variance = state.modules["encoder"](training_step.images).chunk(2, dim=1)
    codes = mean + (log_variance / 2).exp() * torch.randn(16, 4, generator=rng)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()

    def features(codes: Tensor) -> tuple[Tensor, Tensor]:
        generator = state.generator.eval()
        actual = state.discriminator.features(generator(codes))
        generator.train()
        return actual, state.discriminator.classify(actual)

    real = state.discriminator.features(training_step.images).detach()
    through, cut = features(codes), features(codes.detach())
    return training_step, {
        "kl": kl,
        "error": 0.5 * (real - through[0]).square().sum(1).mean(),
        "error_cut": 0.5 * (real - cut[0]).square().sum(1).mean(),
        "fool": softplus(-cut[1]).mean(),
    }


def test_vaegan_every_network_learns_from_its_own_terms(stores) -> None:
    """Algorithm 1: encoder KL + F; generator adversarial + g F. Against plain autograd."""
    state = play(stores, "vaegan")
    training_step, parts = vaegan_parts(state, stores)
    total = state.loss.generator(training_step)
    adversarial = softplus(-training_step.fake_logits).mean() + parts["fool"]
    encoder = state.modules["encoder"]
    wanted = gradients(parts["kl"] + parts["error"], encoder)
    assert close(gradients(total, encoder), wanted) and any_moves(wanted)
    wanted = gradients(adversarial + 0.1 * parts["error_cut"], state.generator)
    assert close(gradients(total, state.generator), wanted) and any_moves(wanted)
    value = adversarial + 0.1 * parts["error"] + parts["kl"]
    assert float(total) == pytest.approx(float(value), rel=1e-5)
    assert float(training_step.log["kl"]) == pytest.approx(float(parts["kl"]), rel=1e-5)
    assert float(training_step.log["feature_error"]) == pytest.approx(
        float(parts["error"]), rel=1e-5
    )


def test_vaegan_discriminator_sees_samples_and_reconstructions(stores) -> None:
    state = play(stores, "vaegan")
    training_step = step(state, "discriminator", stores)
    _ = training_step.generated
    rng = torch.Generator().manual_seed(5)
    torch.randn(16, 4, generator=rng)
    mean, log_variance = state.modules["encoder"](training_step.images).chunk(2, dim=1)
    codes = mean + (log_variance / 2).exp() * torch.randn(16, 4, generator=rng)
    again = state.generator.eval()(codes).detach()
    state.generator.train()
    value = state.loss.discriminator(training_step)
    terms = (
        softplus(-training_step.real_logits),
        softplus(training_step.fake_logits),
        softplus(state.discriminator(again)),
    )
    assert float(value) == pytest.approx(sum(float(term.mean()) for term in terms), rel=1e-5)
    assert not any_moves(gradients(value, state.generator))


@pytest.mark.parametrize("loss", ["gan-mse", "gan-mae", "vaegan"])
def test_held_out_error_is_that_of_the_snapshot(stores, loss: str) -> None:
    """Evaluation brings back test samples with the encoder and generator it was given."""
    run = tiny_run("digits", loss)
    store = stores["digits"]
    state = build.train_state(run, store.shape, store.classes, CPU)
    state.generator.eval()
    drawn = sampling.draw(state, run, store)
    actual = sampling.evidence(state, drawn)
    images = torch.from_numpy(store.samples("test")[:50].copy()).float() / 127.5 - 1
    codes = state.modules["encoder"](images)[:, :4]
    again = state.generator(codes).detach()
    seen = {"real": np.zeros((9, 2)), "fake": np.zeros((9, 2))}
    values = metrics.measure_all(metrics.Comparison(**seen, **actual))
    assert values["reconstruction_mse"] == pytest.approx(
        float((images - again).square().mean()), rel=1e-5
    )
    assert values["reconstruction_mae"] == pytest.approx(
        float((images - again).abs().mean()), rel=1e-5
    )
    picture = sampling.pictures(state, drawn)["reconstructions"]
    assert picture.shape == (2, 12, 1, 8, 8)
    assert np.array_equal(picture[0], store.samples("test")[:12])


@pytest.mark.parametrize("loss", ["infogan", "gan-mse", "vaegan"])
def test_data_without_labels_have_no_class_score(stores, tmp_path: Path, loss: str) -> None:
    """Samples, codes and reconstructions are measured all the same."""
    plain = stores["ring"]
    splits = {name: Split(plain.samples(name)[:200].copy()) for name in ("train", "test")}
    ring = registry.create("dataset", "ring", {})
    ring.load = lambda: splits
    store = datasets.prepare("ring", ring, {}, tmp_path / "ring")
    assert store.classes == 0 and store.shares() is None
    run = tiny_run(loss=loss)
    state = build.train_state(run, store.shape, store.classes, CPU)
    drawn = sampling.draw(state, run, store)
    assert drawn.labels is None
    samples, actual = sampling.observe(state, drawn)
    measured = metrics.Comparison(np.array(store.samples("test")), samples, **actual)
    names = set(metrics.measure_all(measured))
    assert not names & {"asked_share", "code_nmi", "modes"}
    assert {"fid", "recall"} <= names
    assert ("reconstruction_mse" in names) == (loss != "infogan")


@pytest.mark.parametrize("loss", ["cgan", "infogan", "gan-mse"])
def test_a_diverged_run_has_empty_values_for_its_own_metrics_too(stores, tmp_path, loss) -> None:
    run = tiny_run(loss=loss)
    features.fit("coordinates", stores["ring"], tmp_path / "extractors/ring/coordinates")
    rows, _ = evaluate.evaluate(run, {"status": "diverged"}, [], stores["ring"], tmp_path)
    own = {"cgan": "asked_share", "infogan": "code_nmi", "gan-mse": "reconstruction_mse"}[loss]
    mine = [row for row in rows if row["metric"] == own]
    assert len(mine) == 1 and mine[0]["status"] == "diverged" and math.isnan(mine[0]["value"])


def test_reconstructions_that_are_not_finite_are_a_failure(stores) -> None:
    run = tiny_run(loss="gan-mse")
    state = build.train_state(run, (2,), 8, CPU)
    drawn = sampling.draw(state, run, stores["ring"])
    assert sampling.observe(state, drawn) is not None
    nn.init.constant_(next(state.modules["encoder"].parameters()), math.nan)
    assert sampling.observe(state, drawn) is None


@pytest.mark.gpu
@pytest.mark.parametrize("trick", ["none", "packing"])
@pytest.mark.parametrize("loss", registry.find("loss"))
def test_every_loss_trains_on_a_gpu(stores, loss: str, trick: str) -> None:
    device = torch.device("cuda")
    run = tiny_run("digits", loss, trick)
    store = stores["digits"]
    state = build.train_state(run, store.shape, store.classes, device)
    batch = Batches(store, 16, 0, device)[0]
    for phase in ("discriminator", "generator"):
        rng = torch.Generator(device).manual_seed(0)
        training_step = Step(state, phase, *batch, rng, at_step(state), 4)
        assert getattr(state.loss, phase)(training_step).isfinite()
    state.loss.after_discriminator(training_step)


# -- article 003's order of steps -------------------------------------------------------------------


def test_generator_first_is_the_textbook_loop(stores, trained) -> None:
    """Three steps of article 003, written down plainly: the generator's step, then the
    discriminator's on the detached batch, with d_loss the mean of its two halves."""
    run = tiny_run(training={"order": "generator-first", "discriminator_scale": 0.5, "budget": 48})
    _, saved = trained(run)
    state = build.train_state(run, (2,), 8, CPU)
    g, d = state.generator, state.discriminator
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    opt_g = torch.optim.Adam(g.parameters(), **adam)
    opt_d = torch.optim.Adam(d.parameters(), **adam)
    batches = Batches(stores["ring"], 16, 0, CPU)
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(16), torch.zeros(16)
    for index in range(3):
        noise = torch.randn(16, 4, generator=seeding.generator(0, "generator", index))
        generated = g(noise)
        opt_g.zero_grad()
        bce(d(generated), ones).backward()
        opt_g.step()
        opt_d.zero_grad()
        real_loss = bce(d(batches[index][0]), ones)
        fake_loss = bce(d(generated.detach()), zeros)
        d_loss = (real_loss + fake_loss) / 2
        d_loss.backward()
        opt_d.step()
    for part, network in (("generator", g), ("discriminator", d)):
        for name, value in network.state_dict().items():
            assert torch.allclose(saved["networks"][part][name], value, atol=1e-6), (part, name)
    assert saved["history"][-1]["d_loss"] == pytest.approx(float(d_loss), rel=1e-5)


@pytest.mark.parametrize("loss", ["infogan", "vaegan", "hinge", "began", "cgan"])
def test_generator_first_judges_what_the_generator_made(stores, trained, loss: str) -> None:
    """Codes and samples are those of the generator's turn; with several critic steps, in the step in
    which the generator has its turn."""
    run = tiny_run(loss=loss, training={"order": "generator-first", "budget": 16 * 10})
    status, saved = trained(run)
    assert status == "done" and equal(saved["networks"], trained(run)[1]["networks"])
    state = build.train_state(run, (2,), 8, CPU)
    actor = step(state, "generator", stores)
    rng = torch.Generator().manual_seed(6)
    critic = Step(state, "discriminator", actor.images, actor.labels, rng, at_step(state), 4, actor)
    assert torch.equal(critic.latent, actor.latent)
    assert torch.equal(critic.generated, actor.generated) and not critic.generated.requires_grad
    assert state.loss.discriminator(critic).isfinite()
