"""From a run's settings to the networks, the loss, the tricks and the optimisers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, reduce

import torch
from torch import nn

from ganlore.errors import GanloreError
from ganlore.losses import Loss
from ganlore.networks import Critic, Generator, Network, Spec
from ganlore.settings import Optimizer
from ganlore.steps import TrainState, seeding
from ganlore.steps.schedule import learning_rates
from ganlore.study import registry
from ganlore.study.run import Run
from ganlore.training import precision
from ganlore.training.optimizers import ScheduledAdam, ScheduledRMSprop
from ganlore.tricks import Trick


def device(wanted: str, key: str = "training.device") -> torch.device:
    """The device of a study's setting on this machine.

    Args:
        wanted: auto, cpu or cuda.
        key: the setting's name, for messages.

    Raises:
        GanloreError: if the setting is cuda and torch finds no GPU.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise GanloreError(
            f"{key} = 'cuda', but torch finds no GPU\n"
            "  use 'auto' or 'cpu', or install a driver that torch can use"
        )
    gpu = wanted != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def train_state(
    run: Run,
    shape: tuple[int, ...],
    classes: int,
    device: torch.device,
) -> TrainState:
    """Build the state of a run at step 0: networks, modules and optimisers.

    Args:
        run: the run's settings.
        shape: of one sample.
        classes: the data set's number of classes, for conditional losses.
        device: where the networks are. They are initialised on the CPU, so that a seed gives the
            same weights on every device.
    """
    loss = registry.create("loss", run.loss.name, run.loss.settings)
    tricks = tuple(registry.create("trick", part.name, part.settings) for part in run.applied)
    network = registry.create("network", run.network.name, run.network.settings)
    spec = Spec(shape, run.training.latent, classes if loss.conditional else 0)
    generator, discriminator, modules = _networks(network, loss, tricks, spec, run.seed)
    with seeding.scope(run.seed, "tricks"):
        for trick in tricks:
            generator, discriminator = trick.networks(generator, discriminator)
        evaluated = {name: modules[name] for name in loss.evaluated_modules}
        for trick in tricks:
            more = trick.modules(generator, discriminator, evaluated)
            if clash := set(modules) & set(more):
                raise GanloreError(f"{trick.name}: the module {sorted(clash)} is there already")
            modules.update(more)
    for module in (generator, discriminator, modules):
        precision.place(module, run.training, device)
    state = TrainState(
        generator,
        discriminator,
        modules,
        loss,
        tricks,
        n_critic(loss, tricks),
        run.training.discriminator_scale,
        precision.forward(run.training, device),
    )
    state.optimizers = optimizers(optimizer_settings(run, tricks), state)
    return state


def _networks(
    network: Network, loss: Loss, tricks: Sequence[Trick], spec: Spec, seed: int
) -> tuple[Generator, Critic, nn.ModuleDict]:
    """Build and initialise generator, discriminator and the loss's modules."""
    packed = reduce(lambda before, trick: trick.discriminator_spec(before), tricks, spec)
    with seeding.scope(seed, "networks"):
        make_g: Callable[[Spec], Generator] = partial(loss.generator_network, network)
        make_d: Callable[[Spec], Critic] = partial(loss.discriminator_network, network)
        for trick in tricks:
            make_g = trick.generator_network(make_g, network)
            make_d = trick.discriminator_network(make_d, network)
        generator, discriminator = make_g(spec), make_d(packed)
        modules = nn.ModuleDict(loss.modules(network, spec, discriminator))
    named = {"generator": generator, "discriminator": discriminator, **modules}
    for name, module in named.items():
        network.initialise(module, partial(seeding.generator, seed, "init", name))
    return generator, discriminator, modules


def n_critic(loss: Loss, tricks: Sequence[Trick]) -> int:
    """Discriminator steps per generator step, after the tricks' changes."""
    return reduce(lambda n, trick: trick.n_critic(n), tricks, loss.n_critic)


def optimizer_settings(run: Run, tricks: Sequence[Trick]) -> Optimizer:
    """The optimisers' settings under the study's policy, after the tricks' changes."""
    return reduce(lambda settings, trick: trick.optimizer(settings), tricks, run.optimizer)


def optimizers(
    settings: Optimizer, state: TrainState
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Build the optimisers of generator and discriminator, each with the modules that it trains."""
    critics, both = state.loss.discriminator_modules, state.loss.shared_modules
    with_g = [module for name, module in state.modules.items() if name not in critics]
    with_d = [module for name, module in state.modules.items() if name in (*critics, *both)]
    rates = learning_rates(settings)
    return (
        optimizer(settings, rates[0], [state.generator, *with_g]),
        optimizer(settings, rates[1], [state.discriminator, *with_d]),
    )


@torch.no_grad()
def step(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()` without torch's wrappers.

    They import torch's compiler, which is not used here and takes longer than all other imports of
    a run together, and open a profiler range at each step, which costs a tenth of a small network's
    step. Hooks of the optimiser are not called.
    """
    inspect.unwrap(type(optimizer).step)(optimizer)


def _avoid_compiler() -> None:
    """Keep an optimiser's other methods from importing the compiler.

    Their wrapper disables the compiler at its first call and caches the result, the method itself,
    as an attribute; so the attribute is set here.
    """
    for name in ("add_param_group", "state_dict", "load_state_dict"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None:
            setattr(method, "__dynamo_disable", method)


def optimizer(settings: Optimizer, lr: float, modules: list[nn.Module]) -> torch.optim.Optimizer:
    """Build one optimiser for the parameters of several modules.

    Its learning rate, and a beta2 that changes, may be tensors (`scheduled.Values`).
    """
    _avoid_compiler()
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    if settings.kind == "adam":
        if settings.beta2_end is not None:
            return ScheduledAdam(parameters, lr=lr, betas=settings.betas, capturable=True)
        # the fused form, one call for all parameters, is the fastest on CPU and GPU; torch refuses
        # to capture a step of an optimiser that is not said to be capturable
        made = torch.optim.Adam(
            parameters, lr=lr, betas=settings.betas, fused=True, capturable=True
        )
        # nor need it warn of the steps that are made before a capture
        made._warned_capturable_if_run_uncaptured = True
        return made
    if settings.kind == "rmsprop":
        return ScheduledRMSprop(parameters, lr=lr, capturable=True)
    return torch.optim.SGD(parameters, lr=lr, fused=True)
