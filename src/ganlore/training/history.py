"""The history of a run: losses, logits, gradients and costs at evenly spaced steps."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganlore import provenance
from ganlore.errors import GanloreError
from ganlore.networks import Critic
from ganlore.steps.step import Logged, Step

if TYPE_CHECKING:
    from ganlore.study.schema import Training

Row = dict[str, float]

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
"""Layers whose outputs `gradient_slope` looks at."""


def marks(steps: int, count: int, multiple: int = 1) -> list[int]:
    """`count` evenly spaced steps up to the last one, or fewer if there are fewer steps.

    Args:
        steps: the last step.
        count: the number of marks.
        multiple: marks are rounded down to a multiple of this. With n_critic, both networks are
            updated in each marked step, so that a row depends on no other step.
    """
    exact = (steps * (index + 1) / count for index in range(count))
    return sorted({round(mark) // multiple * multiple for mark in exact} - {0})


def snapshot_steps(training: Training, done: int) -> list[int]:
    """The steps of the snapshots of a run that has made so many steps."""
    return [step for step in marks(training.steps, training.snapshots) if step <= done]


def check_snapshots(steps: list[int], training: Training, done: int, folder: Path) -> None:
    """Compare snapshots with the run's settings.

    Args:
        steps: those of the snapshots, or of the rows that measure them, in order.
        training: the run's settings.
        done: the steps that it has made.
        folder: what to delete where they are wrong.

    Raises:
        GanloreError: if there are not those that the settings ask for.
    """
    expected = snapshot_steps(training, done)
    if steps != expected:
        raise GanloreError(
            f"{folder}: snapshots after the steps {steps}, expected {expected} "
            f"(training.snapshots = {training.snapshots}, {done} steps made)\n"
            f"  to make it again: delete {folder} and run snakemake"
        )


def sparse(all_marks: list[int], count: int) -> list[int]:
    """About `count` of the marks, including the first and the last."""
    return sorted({*all_marks[:: max(1, len(all_marks) // count)], *all_marks[-1:]})


def _number(logged: Logged) -> float:
    """The value of a log entry; functions are called only here."""
    return float(logged() if callable(logged) else logged)


def _short(number: float) -> float:
    """A number to nine digits, all that float32 has: the seventeen of a float64 double each file.

    Counts stay as they are.
    """
    return float(f"{number:.9g}") if isinstance(number, float) else number


def gradient_norm(optimizer: torch.optim.Optimizer) -> float:
    """The L2 norm over all gradients that an optimiser's last step used."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    norms = torch._foreach_norm([g for g in gradients if g is not None])
    return float(torch.stack(norms).norm()) if norms else math.nan


def gradient_slope(critic: Critic, inputs: Tensor, labels: Tensor | None = None) -> float:
    """How the gradient changes from a critic's output back to its input, as log10 of a ratio.

    The norm of the gradient of the sum of its outputs with respect to the outputs of its first
    layer with weights, over that with respect to those of its last, each a mean over samples: 0 if
    both are equal, far below 0 for vanishing gradients, far above for exploding ones (1704.00028,
    figure 1b: "with respect to successive layers of activations"). Gradients of weights would not
    do: they are products with activations, which explode and vanish the other way round. NaN if
    there is one such layer only, or a gradient is zero or not finite.

    Args:
        critic: the network; it is copied, since a forward pass may change its buffers.
        inputs: of the network, (N, ...).
        labels: of the inputs, for a conditional critic.
    """
    probe = copy.deepcopy(critic).eval()
    outputs: list[Tensor] = []
    for module in probe.modules():
        if isinstance(module, WEIGHTED):
            module.register_forward_hook(lambda _module, _args, output: outputs.append(output))
    with torch.enable_grad():
        probe.requires_grad_()
        out = probe(inputs.detach(), labels)
        gradients = torch.autograd.grad(out.sum(), outputs, allow_unused=True)
    there = [gradient for gradient in gradients if gradient is not None]
    if len(there) < 2:
        return math.nan
    # in double precision: behind 12 clipped layers squares are below the least float32
    first, last = (float(g.double().flatten(1).norm(dim=1).mean()) for g in (there[0], there[-1]))
    return math.log10(first / last) if 0 < first < math.inf and 0 < last < math.inf else math.nan


@dataclass
class History:
    """Rows of a run: numbers by column name.

    Columns: step (discriminator steps), images (real images so far), d_loss, g_loss, real_logit and
    fake_logit (means, before tricks), real_probability and fake_probability (means of the logits'
    sigmoid, after tricks; with a relativistic trick, of differences), d_gradient_norm,
    g_gradient_norm, d_gradient_slope (`gradient_slope`), seconds, images_per_second,
    peak_memory_mb (of the process), step_memory_mb (the most so far that a step saved for its
    backward passes, `memory.Meter`), and the logs of the loss and the tricks.
    """

    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        discriminator: tuple[Step, Tensor],
        generator: tuple[Step, Tensor],
        optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        seconds: float,
        step_memory: int | None,
    ) -> Row:
        """Append a row from a step's tensors, which waits for the device.

        Args:
            discriminator: the discriminator's step and its loss.
            generator: the generator's step and its loss.
            optimizers: of the generator and of the discriminator, for their gradients.
            seconds: training time so far.
            step_memory: the most bytes that the step saved for its backward passes, None if not
                measured.
        """
        (d_step, d_loss), (g_step, g_loss) = discriminator, generator
        step = d_step.schedule.moment.step + 1
        images = step * len(d_step.images)
        most = self.rows[-1]["step_memory_mb"] if self.rows else 0.0
        with torch.no_grad():
            real, fake = d_step.logits
            row = {
                "step": step,
                "images": images,
                "d_loss": float(d_loss.detach()),
                "g_loss": float(g_loss.detach()),
                "real_logit": float(d_step.real_logits.mean()),
                "fake_logit": float(d_step.fake_logits.mean()),
                "d_gradient_norm": gradient_norm(optimizers[1]),
                "g_gradient_norm": gradient_norm(optimizers[0]),
                "d_gradient_slope": gradient_slope(
                    d_step.discriminator, d_step.real, d_step.class_labels
                ),
                "real_probability": float(real.sigmoid().mean()),
                "fake_probability": float(fake.sigmoid().mean()),
                "seconds": seconds,
                "images_per_second": images / seconds,
                "peak_memory_mb": provenance.peak_memory_mb(),
                "step_memory_mb": max(most, (step_memory or 0) / 2**20),
                **{name: _number(value) for name, value in (g_step.log | d_step.log).items()},
            }
        row = {name: _short(number) for name, number in row.items()}
        self.rows.append(row)
        return row

    def diverged(self, bound: float) -> bool:
        """Whether a loss or the logit of the last row is not finite or beyond the bound."""
        last = self.rows[-1]
        values = [last["d_loss"], last["fake_logit"], last["g_loss"]]
        return any(not math.isfinite(v) or abs(v) > bound for v in values)
