"""The base of losses with an encoder: the encoder, and reconstructions of held-out samples."""

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
    """The non-saturating loss with an encoder, trained so that G(Enc(x)) is near x.

    The encoder has the discriminator's architecture with as many outputs as the code needs; the
    generator's optimiser trains it.
    """

    captions = {"reconstructions": "Held-out samples, and below each its reconstruction G(Enc(x))."}

    evaluated_modules = ("encoder",)

    def encoder_outputs(self, spec: Spec) -> int:
        """The number of the encoder's outputs, by default the generator's latent size."""
        return spec.latent

    def code(self, output: Tensor) -> Tensor:
        """The deterministic code of the encoder's output, (N, latent)."""
        return output

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """The encoder."""
        wider = replace(spec, classes=0, outputs=self.encoder_outputs(spec))
        return {"encoder": network.discriminator(wider)}

    @torch.no_grad()
    def reconstruct(self, snapshot: Snapshot, n: int) -> Tensor:
        """G(Enc(x)) of the first n held-out samples."""
        reconstructions = []
        for chunk in snapshot.held_out[:n].split(CHUNK):
            output = snapshot.modules["encoder"](chunk).reshape(len(chunk), -1)
            reconstructions.append(snapshot.generator(self.code(output)))
        return torch.cat(reconstructions)

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """Held-out samples and their reconstructions."""
        return {
            "originals": snapshot.held_out.numpy(),
            "reconstructions": self.reconstruct(snapshot, len(snapshot.held_out)).numpy(),
        }

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """The first held-out samples above their reconstructions."""
        pairs = [snapshot.held_out[:COLUMNS], self.reconstruct(snapshot, COLUMNS)]
        return {"reconstructions": torch.stack(pairs)}
