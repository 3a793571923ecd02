"""What losses with an encoder share: the encoder, and how well it brings real samples back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganlore.losses.nonsaturating import Nonsaturating

if TYPE_CHECKING:
    from ganlore.losses import Snapshot
    from ganlore.networks import Critic, Network, Spec

COLUMNS = 12


@dataclass
class Encoding(Nonsaturating):
    """The non-saturating loss with an encoder of real samples, G(E(x)) being near x.

    The encoder is the network's own discriminator with as many outputs as it needs; it is trained
    by the generator's optimiser.
    """

    captions = {"reconstructions": "Held-out samples, and below each its reconstruction G(E(x))."}

    evaluated_modules = ("encoder",)

    def encoded(self, spec: Spec) -> int:
        """The encoder's outputs: a code of the generator's noise's size."""
        return spec.latent

    def code(self, output: Tensor) -> Tensor:
        """The code that an encoder's output means, without chance, (N, latent)."""
        return output

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """The encoder E."""
        outputs = self.encoded(spec)
        return {"encoder": network.discriminator(replace(spec, classes=0, outputs=outputs))}

    @torch.no_grad()
    def reconstruct(self, snapshot: Snapshot) -> Tensor:
        """G(E(x)) of held-out samples."""
        output = snapshot.modules["encoder"](snapshot.held_out).reshape(len(snapshot.held_out), -1)
        found: Tensor = snapshot.generator(self.code(output), snapshot.held_out_labels)
        return found

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """Held-out samples and what comes back."""
        return {
            "originals": snapshot.held_out.numpy(),
            "reconstructions": self.reconstruct(snapshot).numpy(),
        }

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """The first of them."""
        pairs = torch.stack([snapshot.held_out, self.reconstruct(snapshot)])
        return {"reconstructions": pairs[:, :COLUMNS]}
