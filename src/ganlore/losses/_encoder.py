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
CHUNK = 512


@dataclass
class Encoding(Nonsaturating):
    """The non-saturating loss with an encoder of real samples, G(Enc(x)) being near x.

    The encoder is the network's own discriminator with as many outputs as it needs; it is trained
    by the generator's optimiser.
    """

    captions = {"reconstructions": "Held-out samples, and below each its reconstruction G(Enc(x))."}

    evaluated_modules = ("encoder",)

    def encoded(self, spec: Spec) -> int:
        """The encoder's outputs: a code of the generator's noise's size."""
        return spec.latent

    def code(self, output: Tensor) -> Tensor:
        """The code that an encoder's output means, without chance, (N, latent)."""
        return output

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """The encoder."""
        outputs = self.encoded(spec)
        return {"encoder": network.discriminator(replace(spec, classes=0, outputs=outputs))}

    @torch.no_grad()
    def reconstruct(self, snapshot: Snapshot, n: int) -> Tensor:
        """G(Enc(x)) of the first n held-out samples."""
        parts = []
        for part in snapshot.held_out[:n].split(CHUNK):
            output = snapshot.modules["encoder"](part).reshape(len(part), -1)
            parts.append(snapshot.generator(self.code(output)))
        return torch.cat(parts)

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """Held-out samples and what comes back."""
        return {
            "originals": snapshot.held_out.numpy(),
            "reconstructions": self.reconstruct(snapshot, len(snapshot.held_out)).numpy(),
        }

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """The first of them."""
        pairs = [snapshot.held_out[:COLUMNS], self.reconstruct(snapshot, COLUMNS)]
        return {"reconstructions": torch.stack(pairs)}
