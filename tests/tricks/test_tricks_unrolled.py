"""Unrolling: the generator's gradient goes through the discriminator's steps to come.

The steps are made once more here, by `torch.optim` on a copy of the discriminator, with objectives
written out; their derivative is a finite difference. Seen to fail with: gradients of the inner
steps detached, an optimiser that begins without its state, penalties at detached points, penalties
that differentiate by what the discriminator has learned from the samples before, real logits
without a gradient, no clipping, no scale, no power iteration, buffers that are shared, a root with
an infinite slope, noise that looking ahead uses up, an encoder that learns from inner steps.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus as sp

import step_costs
from ganlore.steps import Step, lookahead
from ganlore.study import registry
from ganlore.training import build, checkpoint, trainer
from tiny import at_step, equal, tiny_run

CPU = torch.device("cpu")


@pytest.fixture
def double():
    """Double precision, as finite differences need."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def a_run(k: int = 2, loss: str = "nonsaturating", others: str = "", kind: str = "sgd", **settings):
    rates = {"sgd": 0.1, "adam": 0.01, "rmsprop": 0.01}
    return tiny_run(
        loss=loss,
        trick="+".join(["unrolled", *others.split()]),
        training={"optimizer": {"kind": kind, "lr": rates[kind]}, "discriminator_scale": 0.5},
        settings={"tricks": {"unrolled": {"k": k}, **settings.pop("tricks", {})}, **settings},
    )


class Problem:
    """A state whose discriminator has made three steps, and the generator's next step."""

    def __init__(self, run) -> None:
        self.run = run
        self.state = build.train_state(run, (2,), 8, CPU)
        self.statistics: dict[str, Tensor] = {}
        # smooth: where a discriminator is piecewise linear, its gradient is the same at all points
        # nearby, and a penalty that forgets where its points come from would not be noticed
        for part in list(self.state.discriminator.modules()):
            for name, layer in list(part.named_children()):
                if isinstance(layer, nn.LeakyReLU):
                    setattr(part, name, nn.Softplus())
        for step in range(3):
            loss = self.step_of("discriminator", step).discriminator_loss()
            trainer.minimise(self.state.optimizers[1], loss)
            self.state.loss.after_discriminator(self.step_of("discriminator", step))
        self.statistics = copy.deepcopy(dict(self.state.generator.named_buffers()))

    def step_of(self, phase: str, step: int) -> Step:
        # every turn begins from the same statistics of batch norm, which reconstructions use
        self.state.generator.load_state_dict(self.statistics, strict=False)
        seen = torch.Generator().manual_seed(100 + step)
        images = torch.randn(8, 2, generator=seen)
        return Step(
            self.state, phase, images, torch.arange(8), seen, at_step(self.state, step, 0.0), 4
        )

    def gradient(self) -> list[Tensor]:
        value = self.step_of("generator", 9).generator_loss()
        return list(torch.autograd.grad(value, list(self.state.generator.parameters())))

    def slope(self, direction: list[Tensor], value, size: float = 1e-6) -> float:
        """The finite difference of a function of the generator's parameters."""
        actual = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, d in zip(self.state.generator.parameters(), direction, strict=True):
                    p.add_(d, alpha=sign * size)
            actual.append(float(value().detach()))
            with torch.no_grad():
                for p, d in zip(self.state.generator.parameters(), direction, strict=True):
                    p.sub_(d, alpha=sign * size)
        return (actual[0] - actual[1]) / (2 * size)

    def steps(self, k: int, objective, constrain=lambda parameter: parameter) -> nn.Module:
        """A copy of the discriminator after k steps of a copy of its optimiser."""
        critic = copy.deepcopy(self.state.discriminator)
        ours = self.state.optimizers[1]
        theirs = type(ours)(critic.parameters(), lr=1.0)
        theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
        for _ in range(k):
            theirs.zero_grad()
            (0.5 * objective(critic)).backward()
            theirs.step()
            for parameter in critic.parameters():
                parameter.data = constrain(parameter.data)
        return critic


def halves(critic, training_step: Step) -> tuple[Tensor, Tensor]:
    """Logits on real and on generated points, from one pass."""
    return critic(torch.cat([training_step.images, training_step.generated.detach()])).chunk(2)


def binary(critic, training_step) -> Tensor:
    real, fake = halves(critic, training_step)
    return sp(-real).mean() + sp(fake).mean()


def squares(critic, points: Tensor) -> Tensor:
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradient.square().sum(1)


def penalised(critic, training_step) -> Tensor:
    """Gulrajani's penalty, with the weights that the step's own generator gives."""
    rng = training_step.rng.clone_state()
    weight = torch.rand(8, 1, generator=rng)
    points = weight * training_step.images + (1 - weight) * training_step.generated
    return binary(critic, training_step) + 10 * (squares(critic, points).sqrt() - 1).square().mean()


def paired(critic, training_step) -> Tensor:
    """R3GAN: sp(f - r) + g/2 (R1 + R2)."""
    real, fake = critic(training_step.images), critic(training_step.generated.detach())
    r1, r2 = squares(critic, training_step.images), squares(critic, training_step.generated)
    return sp(fake - real).mean() + 0.7 / 2 * (r1.mean() + r2.mean())


def averaged(critic, training_step) -> Tensor:
    real, fake = halves(critic, training_step)
    return sp(fake.mean() - real).mean() + sp(fake - real.mean()).mean()


def packed(critic, training_step) -> Tensor:
    return binary(lambda points: critic(points.reshape(8, 4)), training_step)


def matched(critic, training_step) -> Tensor:
    """Feature matching, the generator's part."""
    mean = [
        critic.features(points).mean(0)
        for points in (training_step.images, training_step.generated)
    ]
    return (mean[0] - mean[1]).square().sum()


def swapped(critic, training_step) -> Tensor:
    real, fake = critic(training_step.images), critic(training_step.generated)
    return sp(real.mean() - fake).mean() + sp(real - fake.mean()).mean()


def fooled(critic, training_step) -> Tensor:
    return sp(-critic(training_step.generated)).mean()


PLAIN = ({}, binary, fooled)
CASES = {
    "sgd": PLAIN,
    "adam": ({"kind": "adam"}, binary, fooled),
    "rmsprop": ({"kind": "rmsprop"}, binary, fooled),
    "penalty": ({"others": "gradient-penalty", "kind": "adam"}, penalised, fooled),
    "penalties of both kinds": (
        {"loss": "r3gan", "losses": {"r3gan": {"gamma": 0.7}}, "kind": "adam"},
        paired,
        lambda critic, training_step: sp(
            critic(training_step.images) - critic(training_step.generated)
        ).mean(),
    ),
    "clipping": (
        {"loss": "wgan", "losses": {"wgan": {"clip": 0.3}}, "kind": "rmsprop"},
        lambda critic, training_step: (
            critic(training_step.generated.detach()).mean() - critic(training_step.images).mean()
        ),
        lambda critic, training_step: -critic(training_step.generated).mean(),
    ),
    "packing": (
        {"others": "packing"},
        packed,
        lambda critic, training_step: sp(-critic(training_step.generated.reshape(4, 4))).mean(),
    ),
    "comparison": ({"others": "relativistic", "kind": "adam"}, averaged, swapped),
    "features": ({"loss": "improved-gan", "kind": "adam"}, binary, matched),
}


OPTIMISERS = ("sgd", "adam", "rmsprop")


@pytest.mark.parametrize(
    "case, k",
    [*((case, k) for case in OPTIMISERS for k in (1, 3)), *((case, 2) for case in CASES)],
)
def test_the_gradient_is_that_of_explicit_steps(double, case, k) -> None:
    settings, objective, answer = CASES[case]
    problem = Problem(a_run(k, **copy.deepcopy(settings)))
    constrain = problem.state.loss.constrain if case == "clipping" else lambda parameter: parameter

    def ahead() -> Tensor:
        training_step = problem.step_of("generator", 9)
        _ = training_step.generated  # as drawn first
        critic = problem.steps(k, lambda critic: objective(critic, training_step), constrain)
        return answer(critic, training_step)

    actual = problem.gradient()
    by_hand = problem.slope(actual, ahead)
    assert by_hand > 1e-8
    assert float(sum(g.square().sum() for g in actual)) == pytest.approx(by_hand, rel=1e-5)
    # and in a direction that was not made from it
    rng = torch.Generator().manual_seed(0)
    other = [torch.randn(g.shape, generator=rng) for g in actual]
    along = float(sum((g * d).sum() for g, d in zip(actual, other, strict=True)))
    assert along == pytest.approx(problem.slope(other, ahead), rel=1e-4, abs=1e-8)


def test_what_clipping_holds_was_beyond_it(double) -> None:
    """Or the case above would say nothing of clipping: some weights are at the bound, some not."""
    problem = Problem(a_run(2, **copy.deepcopy(CASES["clipping"][0])))
    weights = torch.cat([p.detach().flatten() for p in problem.state.discriminator.parameters()])
    assert 0.1 < float((weights.abs() == 0.3).double().mean()) < 0.9


def test_the_second_order_path_is_there(double) -> None:
    """Plain, against D^k held constant, and against D^k: three gradients."""
    problem = Problem(a_run(3, kind="adam"))
    ahead = problem.gradient()
    plain = problem.step_of("generator", 9)
    constant = problem.step_of("generator", 9)
    constant.use_discriminator(problem.steps(3, lambda critic: binary(critic, constant)))
    weights = list(problem.state.generator.parameters())
    others = [
        torch.autograd.grad(problem.state.loss.generator(training_step), weights)
        for training_step in (plain, constant)
    ]

    def distance(one, other) -> float:
        total = sum(float((a - b).square().sum()) for a, b in zip(one, other, strict=True))
        return (total / sum(float(b.square().sum()) for b in other)) ** 0.5

    assert distance(*others) > 0.01
    assert distance(ahead, others[0]) > 0.01 and distance(ahead, others[1]) > 0.01


def test_each_of_vaegan_s_parts_goes_its_own_way(double) -> None:
    """The generator's gradient goes through all steps, the encoder's through none.

    By hand: the discriminator's steps see G(z) and reconstructions of fixed codes.
    """
    problem = Problem(a_run(2, "vaegan", kind="rmsprop"))
    train_state, encoder = problem.state, problem.state.modules["encoder"]
    _ = problem.step_of("generator", 9).generated
    statistics = copy.deepcopy(dict(train_state.generator.named_buffers()))

    def parts(training_step, encoded: bool):
        rng = training_step.rng.clone_state()
        mean, log_variance = encoder(training_step.images).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=rng)
        codes = mean + (log_variance / 2).exp() * noise
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        _ = training_step.generated
        train_state.generator.load_state_dict(
            statistics, strict=False
        )  # constants of the derivative
        redrawn = training_step.reconstruct(codes if encoded else codes.detach())
        return redrawn, kl

    def error(critic, training_step, redrawn) -> Tensor:
        there = critic.features(training_step.images) - critic.features(redrawn)
        return 0.5 * there.square().sum(1).mean()

    def critic(training_step) -> nn.Module:
        redrawn = parts(training_step, encoded=False)[0].detach()
        return problem.steps(2, lambda d: binary(d, training_step) + sp(d(redrawn)).mean())

    def generator_s() -> Tensor:
        training_step = problem.step_of("generator", 9)
        d, redrawn = critic(training_step), parts(training_step, encoded=False)[0]
        adversarial = fooled(d, training_step) + sp(-d(redrawn)).mean()
        return adversarial + train_state.loss.weight * error(d, training_step, redrawn)

    actual = problem.gradient()
    slope = float(sum(g.square().sum() for g in actual))
    assert slope == pytest.approx(problem.slope(actual, generator_s), rel=1e-5)

    weights = list(encoder.parameters())
    actual = torch.autograd.grad(problem.step_of("generator", 9).generator_loss(), weights)
    start = problem.step_of("generator", 9)
    discriminator = critic(start)
    redrawn, kl = parts(start, encoded=True)
    value = kl + error(discriminator, start, redrawn)
    for one, other in zip(actual, torch.autograd.grad(value, weights), strict=True):
        torch.testing.assert_close(one, other)


MAKERS = {
    "sgd": lambda p: torch.optim.SGD([p], lr=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop([p], lr=0.1),
    "adam": lambda p: torch.optim.Adam([p], lr=0.1, betas=(0.5, 0.9), foreach=False),
}


def test_what_learns_with_the_discriminator_does_not_learn_from_looking_ahead(double) -> None:
    """InfoGAN's Q has a gradient of the bound alone: none of what the generator's samples gain."""
    problem = Problem(a_run(loss="infogan"))
    q = list(problem.state.modules["q"].parameters())
    (trick,) = problem.state.tricks
    fooled = trick.wrap_generator_loss(lambda training_step: sp(-training_step.fake_logits).mean())
    actual = torch.autograd.grad(fooled(problem.step_of("generator", 9)), q, allow_unused=True)
    assert all(gradient is None for gradient in actual)
    value = problem.step_of("generator", 9).generator_loss()
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(value, q))


@pytest.mark.parametrize("kind", MAKERS)
def test_updates_are_those_of_torch(kind: str) -> None:
    """Six steps, with gradients that are 0 always, from time to time and never."""
    rng = torch.Generator().manual_seed(0)
    parameter = nn.Parameter(torch.randn(6, generator=rng))
    optimizer = MAKERS[kind](parameter)
    update, kept = lookahead.UPDATES[type(optimizer)]
    mine = parameter.detach().clone()
    state = {key: torch.zeros(()) if key == "step" else torch.zeros(6) for key in kept}
    for step in range(6):
        gradient = torch.randn(6, generator=rng) * torch.tensor([0, step % 2, 1, 1, 1e-6, 1e3])
        parameter.grad = gradient.clone()
        optimizer.step()
        mine, state = update(mine, gradient, state, optimizer.param_groups[0], lambda v: v)
        torch.testing.assert_close(mine, parameter.detach(), rtol=1e-5, atol=1e-7)
        for key in kept:
            torch.testing.assert_close(state[key], optimizer.state[parameter][key])


def test_the_slope_of_a_step_from_nothing_is_finite() -> None:
    """At a gradient of 0 with averages of 0, d step / d gradient = -lr / eps, by hand."""
    gradient = torch.zeros(3, requires_grad=True)
    zeros = {key: torch.zeros(3) for key in ("exp_avg", "exp_avg_sq", "square_avg")}
    state = {**zeros, "step": torch.zeros((), dtype=torch.float64)}
    group = {"lr": 0.1, "betas": (0.5, 0.9), "alpha": 0.99, "eps": 1e-3}
    for update in (lookahead.adam, lookahead.rmsprop):
        moved, _ = update(torch.ones(3), gradient, state, group, lambda v: v)
        (slope,) = torch.autograd.grad(moved.sum(), gradient)
        torch.testing.assert_close(slope, torch.full((3,), -100.0))


def test_parameters_may_have_made_different_numbers_of_steps(double) -> None:
    """As where a part of the discriminator had no gradient for a time."""
    problem = Problem(a_run(kind="adam"))
    ours = problem.state.optimizers[1]
    weights = list(problem.state.discriminator.parameters())
    ours.state[weights[0]]["step"].fill_(1)
    ours.state.pop(weights[-1])
    training_step = problem.step_of("generator", 9)
    ahead = lookahead.Ahead(problem.state.discriminator, ours, lambda parameter: parameter)
    for _ in range(2):
        ahead.step(0.5 * binary(ahead.critic, training_step))
    critic = problem.steps(2, lambda critic: binary(critic, training_step))
    torch.testing.assert_close(ahead.critic(training_step.images), critic(training_step.images))
    assert weights[-1] not in ours.state


def test_power_iterations_go_on_as_they_would(double) -> None:
    """With them the discriminator that is looked ahead to is the one that would come.

    Not by finite differences: the vectors are constants of a step's derivative.
    """
    problem = Problem(a_run(others="spectral-norm", kind="adam"))
    training_step, train_state = problem.step_of("generator", 9), problem.state
    ahead = lookahead.Ahead(
        train_state.discriminator, train_state.optimizers[1], lambda parameter: parameter
    )
    for _ in range(3):
        ahead.step(training_step.look_ahead(ahead.critic).discriminator_loss())
    critic = problem.steps(3, lambda critic: binary(critic, training_step))
    torch.testing.assert_close(
        ahead.critic(training_step.images), critic(training_step.images), rtol=1e-10, atol=0
    )


def test_none_ahead_is_no_trick_bit_for_bit(trained) -> None:
    for loss in ("nonsaturating", "vaegan"):
        _, none = trained(a_run(0, loss))
        settings = {"optimizer": {"kind": "sgd", "lr": 0.1}, "discriminator_scale": 0.5}
        _, plain = trained(tiny_run(loss=loss, training=settings))
        assert equal(none["networks"], plain["networks"])
        assert equal(none["snapshots"], plain["snapshots"])


@pytest.mark.parametrize("loss", ["nonsaturating", "wgan", "began", "vaegan", "r3gan"])
def test_the_discriminator_itself_stays_as_it_is(loss) -> None:
    others = "" if loss == "wgan" else "spectral-norm"
    problem = Problem(a_run(2, loss, others, kind="adam"))
    train_state = problem.state

    def everything():
        network = {
            **train_state.discriminator.state_dict(),
            **dict(train_state.modules.named_buffers()),
        }
        flags = [p.requires_grad for p in train_state.discriminator.parameters()]
        return copy.deepcopy((network, train_state.optimizers[1].state_dict(), flags))

    before, start = everything(), copy.deepcopy(train_state.generator.state_dict())
    training_step = problem.step_of("generator", 9)
    trainer.minimise(train_state.optimizers[0], training_step.generator_loss())
    assert equal(before, everything())
    assert not equal(start, train_state.generator.state_dict())
    assert train_state.discriminator.training
    alone = Problem(a_run(0, loss, others, kind="adam"))
    other = alone.step_of("generator", 9)
    other.generator_loss()
    assert training_step.log.keys() == other.log.keys()  # what is only thought of is not recorded
    if loss != "vaegan":  # whose posterior is drawn while it looks ahead, with the same numbers
        assert equal(training_step.rng.get_state(), other.rng.get_state())


def test_it_goes_on_after_a_break_to_the_same_bits(stores) -> None:
    run = tiny_run(loss="began", trick="unrolled+spectral-norm")
    benches = [step_costs.Bench(run, stores["ring"]) for _ in range(2)]
    for step in range(6):
        if step == 3:
            checkpoint.load_networks(
                benches[1].state, copy.deepcopy(checkpoint.networks_state(benches[0].state))
            )
            pairs = zip(*(bench.state.optimizers for bench in benches), strict=True)
            for ours, theirs in pairs:
                theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
        for bench in benches[: 2 if step >= 3 else 1]:
            bench.trainer.step(step)
    assert equal(*(bench.state.generator.state_dict() for bench in benches))
    assert equal(*(bench.state.discriminator.state_dict() for bench in benches))


@pytest.mark.parametrize("loss", registry.find("loss"))
def test_nothing_is_judged_or_generated_twice(stores, loss) -> None:
    dataset = "digits" if loss in ("cgan", "infogan") else "ring"
    bench = step_costs.Bench(tiny_run(dataset, loss, "unrolled"), stores[dataset])
    bench.step("discriminator", 0)
    assert not step_costs.watch(bench, "generator", 0).twice


def test_what_a_look_ahead_costs(stores) -> None:
    """k times real and generated, once more generated; one gradient to differentiate for each."""
    run = tiny_run(trick="unrolled", settings={"tricks": {"unrolled": {"k": 5}}})
    bench = step_costs.Bench(run, stores["ring"])
    assert step_costs.watch(bench, "generator").passes(16).startswith("G 1f 1b, D 11f")
    assert step_costs.watch(bench, "generator").second == 5
