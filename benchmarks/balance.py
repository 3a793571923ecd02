"""The weight at which an L1 reconstruction error pulls the generator as an L2 error does.

    python benchmarks/balance.py

Trains `gan-mse` and `gan-mae` with the settings of configs/study.yaml, seeds that the study does
not use, and prints along training: the norms of the gradients of both errors (mean over samples
and dimensions, weight 1) by the weights of generator and encoder, and the weight of `gan-mae` at
which its norm is that of `gan-mse` with a weight of 10. The study's variant `matched` has the
weight that this showed (docs/adr/0042-a-study-that-converges.md).
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import torch

from ganlore import data
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.training import session

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (1001, 1002)
WEIGHT = 10.0
EVERY = 250


def norms(trainer: session.Trainer, number: int) -> list[float]:
    """The norms of the gradients of the mean absolute and the mean squared error of a batch."""
    state = trainer.state
    images = trainer.batch(number)[0]
    parameters = [*state.generator.parameters(), *state.modules.parameters()]
    codes = state.modules["encoder"](images).reshape(len(images), -1)
    difference = images - state.generator(codes)
    errors = [difference.abs().mean(), difference.square().mean()]
    gradients = [torch.autograd.grad(error, parameters, retain_graph=True) for error in errors]
    return [float(torch.cat([g.flatten() for g in each]).norm()) for each in gradients]


def main() -> None:
    """Train each loss with each seed, and print the weights along training."""
    study = schema.load(ROOT / "configs/study.yaml").model_copy(update={"seeds": list(SEEDS)})
    plan = expand(study)
    store_settings = plan.datasets["digits"]
    late = []
    with tempfile.TemporaryDirectory() as folder, session.settings_of(study.training):
        store = data.prepare(
            "digits",
            registry.create("dataset", "digits", store_settings),
            store_settings,
            Path(folder),
        )
        for loss in ("gan-mse", "gan-mae"):
            for seed in SEEDS:
                run = next(
                    run
                    for run in plan.runs
                    if run.cell == ("digits", "mlp", loss, "none", "base") and run.seed == seed
                )
                trainer = session.build_trainer(run, store, torch.device("cpu"))
                for number in range(run.training.steps):
                    if number % EVERY == 0:
                        absolute, squared = norms(trainer, number)
                        weight = WEIGHT * squared / absolute
                        late += [weight] if number >= run.training.steps / 2 else []
                        print(
                            f"{loss} seed {seed} step {number}: L1 {absolute:.4f} "
                            f"L2 {squared:.4f} weight {weight:.2f}"
                        )
                    trainer.step(number)
    quartiles = [round(value, 2) for value in statistics.quantiles(late, n=4)]
    print(f"second half: quartiles of the weight {quartiles}")


if __name__ == "__main__":
    main()
