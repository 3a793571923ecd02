"""What is recorded while a run trains, one row for each of its evenly spaced points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganlore import provenance
from ganlore.game import Game

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


def sparse(found: list[int], count: int) -> list[int]:
    """About `count` of some marks, the first and the last among them."""
    return sorted({*found[:: max(1, len(found) // count)], *found[-1:]})


def gradient_norm(optimizer: torch.optim.Optimizer) -> float:
    """The L2 norm over all gradients that an optimiser's last step used."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    norms = torch._foreach_norm([g for g in gradients if g is not None])
    return float(torch.stack(norms).norm()) if norms else math.nan


@dataclass
class History:
    """Rows of a run: numbers by column name.

    Columns: step (discriminator steps done), images (real images shown), d_loss, g_loss,
    real_logit and fake_logit (means, before tricks), d_gradient_norm, g_gradient_norm, seconds,
    images_per_second, peak_memory_mb (of the process), step_memory_mb (the most that a step
    kept so far for its backward passes, `memory.Meter`), and what losses and tricks log.
    """

    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        games: tuple[Game, Game],
        losses: tuple[Tensor, Tensor],
        optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        seconds: float,
        step_memory: int | None,
    ) -> Row:
        """Read a step's tensors (this waits for the device) and keep them as a row.

        Args:
            games: the discriminator's and the generator's.
            losses: likewise.
            optimizers: likewise; for the gradients that they used.
            seconds: time of training so far.
            step_memory: bytes that the step kept for its backward passes at most, None where they
                were not counted.
        """
        critic, actor = games
        step = critic.step + 1
        images = step * len(critic.images)
        with torch.no_grad():
            row = {
                "step": step,
                "images": images,
                "d_loss": float(losses[0].detach()),
                "g_loss": float(losses[1].detach()),
                "real_logit": float(critic.real_logits.mean()),
                "fake_logit": float(critic.fake_logits.mean()),
                "d_gradient_norm": gradient_norm(optimizers[0]),
                "g_gradient_norm": gradient_norm(optimizers[1]),
                "seconds": seconds,
                "images_per_second": images / seconds,
                "peak_memory_mb": provenance.peak_memory_mb(),
                "step_memory_mb": self._most(step_memory),
                **{name: float(value) for name, value in (actor.log | critic.log).items()},
            }
        self.rows.append(row)
        return row

    def _most(self, step_memory: int | None) -> float:
        """The most MiB that a step kept so far."""
        before = self.rows[-1]["step_memory_mb"] if self.rows else 0.0
        return max(before, (step_memory or 0) / 2**20)

    def diverged(self, bound: float) -> bool:
        """Whether the last row's losses are not finite or beyond the bound."""
        last = self.rows[-1]
        values = [last["d_loss"], last["fake_logit"], last["g_loss"]]
        return any(not math.isfinite(v) or abs(v) > bound for v in values)
