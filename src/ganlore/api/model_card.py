"""The model card of an exported generator."""

from __future__ import annotations

from ganlore import __version__, formatting
from ganlore.study import registry
from ganlore.study.run import Run


def text(run: Run, step: int, shape: tuple[int, ...]) -> str:
    """A generator's model card as Markdown: what it is, how it was trained, what to do with it.

    Args:
        run: its settings.
        step: the training step of its weights.
        shape: of one sample.
    """
    dataset, loss = (
        registry.declaration("dataset", run.dataset.name),
        registry.declaration("loss", run.loss.name),
    )
    tricks = [trick.name for trick in run.tricks]
    training = run.training
    facts = {
        "data": f"{run.dataset.name} ({dataset.fact('licence', 'licence unknown')})",
        "samples": f"{' x '.join(map(str, shape))}, {'images' if len(shape) == 3 else 'points'}",
        "network": f"{run.network.name} ({formatting.settings(run.network.settings)})",
        "loss": f"{run.loss.name}, {loss.fact('paper', '-')}",
        "tricks": ", ".join(tricks),
        "optimiser": formatting.optimizer(run.optimizer),
        "trained": f"{step} of {training.steps} steps, batch {training.batch}, seed {run.seed}",
        "made with": f"ganlore {__version__}",
    }
    rows = "\n".join(
        f"| {name} | {str(value).replace('|', '/')} |" for name, value in facts.items()
    )
    return f"""---
library_name: ganlore
tags: [gan, image-generation]
---

# {run.id}

A generator that `ganlore` trained to compare GAN losses and tricks. It was trained to be measured,
on a budget that may be small, and not to make the best pictures.

| | |
|---|---|
{rows}

```python
import ganlore

generator = ganlore.generator("this/folder")
samples = generator.sample(16, seed=0)
```

The weights lie in `model.safetensors`, all settings of the run in `config.json`.
"""
