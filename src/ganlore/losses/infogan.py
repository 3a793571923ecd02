"""InfoGAN: part of the noise is a code that is predicted from the discriminator's features."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.losses import Optimizer
from ganlore.losses.nonsaturating import Nonsaturating
from ganlore.networks import one_hot
from ganlore.settings import NonNegativeFloat, NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    from ganlore.losses import Snapshot
    from ganlore.networks import Critic, Generator, Network, Spec
    from ganlore.steps import Step


@dataclass
class InfoGan(Nonsaturating):
    """The non-saturating loss, minus a lower bound on the mutual information of code and sample.

    The generator's input is (noise, one-hot categorical code, continuous codes in [-1, 1]). Q is a
    linear head on the discriminator's features; the bound trains trunk, Q and generator.
    """

    paper = "arXiv:1606.03657"
    deviations = (
        "Q is a linear head; the authors' has a hidden layer of 128 with batch norm.",
        "The noise is normal; the authors' is uniform, and they have batch norm in the "
        "discriminator and images in [0, 1] from a sigmoid.",
        "Q learns in the steps of both networks, each with its optimiser; in the authors' code in "
        "the discriminator's alone.",
        "Under the policy `shared` continuous codes weigh .1; under `published` 1, as in the "
        "authors' MNIST experiment.",
    )
    published = {"weight_continuous": 1.0}
    formula = (
        "E sp(-r) + E sp(f) - lam I(c; G(z, c))",
        "E sp(-f) - lam I(c; G(z, c)), I = E log Q(c | G(z, c)) + H(c)",
    )
    captions = {
        "categorical": "A column for each value of the categorical code, a row for each noise.",
        "continuous": "A row for each continuous code, which goes from -1 to 1; the rest is fixed.",
    }
    optimizer: Optimizer = Optimizer(
        kind="adam", lr=1e-3, lr_discriminator=2e-4, betas=(0.5, 0.999)
    )
    categories: PositiveInt = 10
    continuous: NonNegativeInt = 2
    weight_categorical: NonNegativeFloat = 1.0
    weight_continuous: NonNegativeFloat = 0.1

    shared_modules = ("q",)

    @property
    def code_size(self) -> int:
        """The number of code columns, the last ones of the generator's input."""
        return self.categories + self.continuous

    def generator_network(self, network: Network, spec: Spec) -> Generator:
        """A generator that also receives the codes."""
        return network.generator(replace(spec, codes=spec.codes + self.code_size))

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """Q's head; with packing it predicts the codes of all samples of a pack."""
        return {"q": nn.Linear(discriminator.width, discriminator.spec.pack * self.code_size)}

    def latent(self, n: int, size: int, rng: torch.Generator) -> Tensor:
        """Noise N(0, I), then the codes: (n, size + code_size)."""
        noise = torch.randn(n, size, generator=rng, device=rng.device)
        chosen = torch.randint(self.categories, (n,), generator=rng, device=rng.device)
        codes = torch.rand(n, self.continuous, generator=rng, device=rng.device) * 2 - 1
        return torch.cat([noise, one_hot(chosen, self.categories), codes], dim=1)

    def codes(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """The category (N,) and the continuous codes (N, continuous) of the generator's input."""
        _, categorical, codes = latent.split(
            [latent.shape[1] - self.code_size, self.categories, self.continuous], dim=1
        )
        return categorical.argmax(1), codes

    def information(self, step: Step) -> Tensor:
        """The bound L_I of section 5 times lam; the history logs each kind of code in nats.

        Q is a softmax (in the cross-entropy) for the category and a unit-variance Gaussian for
        continuous codes, as in the authors' code. H(c) is a constant: log of the number of
        categories, and log 2 for a code that is uniform in [-1, 1].
        """
        chosen, codes = self.codes(step.latent)
        predicted = step.modules["q"](step.fake_features).reshape(len(codes), self.code_size)
        logits, means = predicted.split([self.categories, self.continuous], dim=1)
        categorical = math.log(self.categories) - functional.cross_entropy(logits, chosen)
        squares = (codes - means).square().sum(1).mean()
        constant = self.continuous * (math.log(2) - 0.5 * math.log(2 * math.pi))
        continuous = constant - 0.5 * squares
        step.log |= {
            "information_categorical": categorical.detach(),
            "information_continuous": continuous.detach(),
        }
        bound: Tensor = self.weight_categorical * categorical + self.weight_continuous * continuous
        return bound

    def discriminator(self, step: Step) -> Tensor:
        """Equation 6; the trunk and Q learn to predict the code."""
        return super().discriminator(step) - self.information(step)

    def generator(self, step: Step) -> Tensor:
        """Equation 6; the generator learns to make the code predictable."""
        return super().generator(step) - self.information(step)

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """The category of each sample, to compare with its predicted class."""
        return {"codes": self.codes(snapshot.latent)[0].numpy()}

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Samples along each code, section 7.2."""
        latent, columns = snapshot.latent, 10
        first = latent.shape[1] - self.code_size
        rows = min(6, len(latent))
        walk = latent[:rows].repeat_interleave(self.categories, 0).clone()
        walk[:, first : first + self.categories] = torch.eye(self.categories).repeat(rows, 1)
        grids = {"categorical": self._sample(snapshot, walk, self.categories)}
        if self.continuous:
            walk = latent[:1].repeat(self.continuous * columns, 1).clone()
            for code in range(self.continuous):
                row = slice(code * columns, (code + 1) * columns)
                walk[row, first + self.categories + code] = torch.linspace(-1, 1, columns)
            grids["continuous"] = self._sample(snapshot, walk, columns)
        return grids

    @staticmethod
    def _sample(snapshot: Snapshot, latent: Tensor, columns: int) -> Tensor:
        samples: Tensor = snapshot.generator(latent)
        return samples.reshape(-1, columns, *samples.shape[1:])


LOSS = InfoGan
