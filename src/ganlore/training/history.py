"""What is recorded while a run trains, one row for each of its evenly spaced points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganlore import provenance
from ganlore.steps.step import Logged, Step

Row = dict[str, float]


def marks(steps: int, count: int, multiple: int = 1) -> list[int]:
    """`count` evenly spaced steps up to the last one, or fewer where there are not so many.

    Args:
        steps: the last step.
        count: how many.
        multiple: every mark is a multiple of this, rounded down. With n_critic, both networks have
            just made a step at each mark, so that a row there depends on nothing before it.
    """
    exact = (steps * (index + 1) / count for index in range(count))
    return sorted({round(mark) // multiple * multiple for mark in exact} - {0})


def sparse(all_marks: list[int], count: int) -> list[int]:
    """About `count` of some marks, the first and the last among them."""
    return sorted({*all_marks[:: max(1, len(all_marks) // count)], *all_marks[-1:]})


def _number(logged: Logged) -> float:
    """What a loss or a trick logged; what is costly is computed here alone."""
    return float(logged() if callable(logged) else logged)


def gradient_norm(optimizer: torch.optim.Optimizer) -> float:
    """The L2 norm over all gradients that an optimiser's last step used."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    norms = torch._foreach_norm([g for g in gradients if g is not None])
    return float(torch.stack(norms).norm()) if norms else math.nan


def gradient_slope(parameters: list[Tensor]) -> float:
    """How gradients change from a network's output back to its input: log10 of a ratio.

    The root mean square of the gradients of the first weights over that of the last: 0 where layers
    learn alike, far below where gradients vanish on the way back, far above where they explode
    (1704.00028, figure 1b). NaN where either has no gradient, or only zeros.

    Args:
        parameters: the network's, from input to output; the weights are those of 2 dimensions or
            more.
    """
    weights = [p for p in parameters if p.dim() > 1 and p.grad is not None]
    if not weights:
        return math.nan
    ends = [
        float(p.grad.square().mean().sqrt())
        for p in (weights[0], weights[-1])
        if p.grad is not None
    ]
    return math.log10(ends[0] / ends[1]) if all(0 < e < math.inf for e in ends) else math.nan


@dataclass
class History:
    """Rows of a run: numbers by column name.

    Columns: step (discriminator steps done), images (real images shown), d_loss, g_loss,
    real_logit and fake_logit (means, before tricks), real_probability and fake_probability (means
    of the logits' sigmoid, after tricks: of a relativistic discriminator, that real is more real),
    d_gradient_norm, g_gradient_norm, d_gradient_slope (`gradient_slope`), seconds,
    images_per_second, peak_memory_mb (of the process), step_memory_mb (the most that a step
    kept so far for its backward passes, `memory.Meter`), and what losses and tricks log.
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
        """Read a step's tensors (this waits for the device) and keep them as a row.

        Args:
            discriminator: what the discriminator's update saw, and its loss.
            generator: likewise.
            optimizers: the generator's and the discriminator's, for the gradients that they used.
            seconds: time of training so far.
            step_memory: bytes that the step kept for its backward passes at most, None where they
                were not counted.
        """
        (critic, d_loss), (actor, g_loss) = discriminator, generator
        step = critic.schedule.moment.step + 1
        images = step * len(critic.images)
        most = self.rows[-1]["step_memory_mb"] if self.rows else 0.0
        with torch.no_grad():
            real, fake = critic.logits
            row = {
                "step": step,
                "images": images,
                "d_loss": float(d_loss.detach()),
                "g_loss": float(g_loss.detach()),
                "real_logit": float(critic.real_logits.mean()),
                "fake_logit": float(critic.fake_logits.mean()),
                "d_gradient_norm": gradient_norm(optimizers[1]),
                "g_gradient_norm": gradient_norm(optimizers[0]),
                "d_gradient_slope": gradient_slope(critic.discriminator_parameters),
                "real_probability": float(real.sigmoid().mean()),
                "fake_probability": float(fake.sigmoid().mean()),
                "seconds": seconds,
                "images_per_second": images / seconds,
                "peak_memory_mb": provenance.peak_memory_mb(),
                "step_memory_mb": max(most, (step_memory or 0) / 2**20),
                **{name: _number(value) for name, value in (actor.log | critic.log).items()},
            }
        self.rows.append(row)
        return row

    def diverged(self, bound: float) -> bool:
        """Whether the last row's losses are not finite or beyond the bound."""
        last = self.rows[-1]
        values = [last["d_loss"], last["fake_logit"], last["g_loss"]]
        return any(not math.isfinite(v) or abs(v) > bound for v in values)
