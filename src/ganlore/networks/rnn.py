"""Recurrent networks that generate and read an image row by row: RNN-GAN."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec, norm_gains
from ganlore.settings import PositiveInt


class Lstm(nn.Module):
    """One LSTM layer over a sequence, in one direction or in both.

    Own code, since cuDNN's LSTM has no second derivative, which gradient penalties need, and since
    spectral normalisation applies to `nn.Linear`. Without peepholes, as in torch (Sak et al. 2014,
    arXiv:1402.1128, section 2.1); the order of the gates is input, forget, output, cell.

    Args:
        inputs: width of the sequence.
        width: cells in each direction.
        directions: 1, or 2 for a bidirectional layer.
    """

    def __init__(self, inputs: int, width: int, directions: int) -> None:
        super().__init__()
        self.width = width
        self.read = nn.ModuleList(nn.Linear(inputs, 4 * width) for _ in range(directions))
        self.recall = nn.ModuleList(
            nn.Linear(width, 4 * width, bias=False) for _ in range(directions)
        )

    def forward(self, sequence: Tensor) -> Tensor:
        """From (T, N, inputs) to the states after each step, (T, N, directions * width)."""
        # The inputs of all steps in one product. Each weight is read once, since spectral
        # normalisation makes a power iteration whenever it is.
        inputs = [self.read[0](sequence), *(layer(sequence.flip(0)) for layer in self.read[1:])]
        weights = torch.stack([cast(nn.Linear, layer).weight.t() for layer in self.recall])
        cell = state = None
        states = []
        for current in torch.stack(inputs, dim=1).unbind():
            # both directions at once, (directions, N, 4 width); the initial state is 0
            summed = current if state is None else torch.baddbmm(current, state, weights)
            gates, candidate = summed.split((3 * self.width, self.width), dim=2)
            input_gate, forget_gate, output_gate = gates.sigmoid().chunk(3, dim=2)
            new = input_gate * candidate.tanh()
            cell = new if cell is None else torch.addcmul(new, forget_gate, cell)
            state = output_gate * cell.tanh()
            states.append(state)
        forward, *backward = torch.stack(states, dim=1)
        return torch.cat([forward, *(part.flip(0) for part in backward)], dim=2)


class RowNorm(nn.Module):
    """Batch norm of each row separately, so that no row depends on a later one.

    Cooijmans et al. 2016 (arXiv:1603.09025), section 3, also use separate statistics for each step
    of a sequence, since the first states, near 0, vary little.

    Args:
        rows: rows of an image.
        width: numbers in a row.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(rows * width)

    def forward(self, rows: Tensor) -> Tensor:
        """From (rows, N, width) to the same shape."""
        out: Tensor = self.norm(rows.transpose(0, 1).flatten(1))
        return out.reshape(rows.shape[1], rows.shape[0], -1).transpose(0, 1)


class Writer(nn.Module):
    """From noise, codes and the one-hot label to an image, row after row.

    Each row receives its own part of the noise, all codes and the label. The noise is split in
    order, padded with zeros if it does not divide.

    Args:
        spec: the dimensions.
        width: cells in a layer.
        layers: number of layers, all from top to bottom.
    """

    def __init__(self, spec: Spec, width: int, layers: int) -> None:
        super().__init__()
        self.shape = channels, self.rows, columns = spec.shape
        self.latent = spec.latent
        self.piece = math.ceil(spec.latent / self.rows)
        widths = [self.piece + spec.codes + spec.classes, *[width] * (layers - 1)]
        self.memory = nn.Sequential(*(Lstm(inputs, width, 1) for inputs in widths))
        hidden = 2 * width
        norm = [RowNorm(self.rows, hidden)] if spec.batch_norm else []
        first = nn.Linear(width, hidden, bias=not spec.batch_norm)
        self.row = nn.Sequential(first, *norm, nn.ReLU(), nn.Linear(hidden, channels * columns))

    def forward(self, inputs: Tensor) -> Tensor:
        """From (N, spec.inputs) to images in [-1, 1], (N, *spec.shape)."""
        channels, rows, columns = self.shape
        noise, condition = inputs[:, : self.latent], inputs[:, self.latent :]
        noise = functional.pad(noise, (0, rows * self.piece - self.latent))
        pieces = noise.reshape(len(inputs), rows, self.piece).transpose(0, 1)
        sequence = torch.cat([pieces, condition.expand(rows, -1, -1)], dim=2)
        out: Tensor = self.row(self.memory(sequence)).tanh()
        return out.reshape(rows, -1, channels, columns).permute(1, 2, 0, 3)


class Reader(nn.Module):
    """From an image to the states of both directions, averaged over the rows.

    Args:
        spec: the dimensions.
        width: cells in each direction of a layer.
        layers: number of bidirectional layers.
    """

    def __init__(self, spec: Spec, width: int, layers: int) -> None:
        super().__init__()
        channels, _, columns = spec.shape
        widths = [channels * columns, *[2 * width] * (layers - 1)]
        self.memory = nn.Sequential(*(Lstm(inputs, width, 2) for inputs in widths))

    def forward(self, images: Tensor) -> Tensor:
        """From (N, C, H, W) to (N, 2 width)."""
        rows = images.permute(2, 0, 1, 3).flatten(2)
        out: Tensor = self.memory(rows).mean(0)
        return out


@dataclass
class Rnn(Network):
    """An LSTM generates rows from a sequence of noise; a bidirectional one reads them.

    The discriminator's features are its states averaged over all rows, so that the logit is the
    mean of a linear layer's outputs at each row; the paper's section 4 averages after a sigmoid. A
    row depends on earlier ones through the LSTM's state only; in the paper the generator also
    receives its previous output. The generator's hidden layer with batch norm is an addition: the
    paper instead pre-trains the generator and pauses the network that is ahead, but here training
    is the same for all networks.
    """

    paper = "arXiv:1611.09904"
    deviations = (
        "The generator's rows do not see the row before, and it has a hidden layer with batch "
        "norm.",
        "The discriminator averages states, where the paper averages probabilities; neither "
        "network is pre-trained or paused.",
    )
    least_batch = 2  # batch norm over single values
    requires = {"images": "a recurrent network reads and writes rows of images"}
    width: PositiveInt = 64
    layers: PositiveInt = 1

    def generator(self, spec: Spec) -> Generator:
        """A part of the noise for each row -> LSTM from top to bottom -> hidden layer -> tanh."""
        return Generator(Writer(spec, self.width, self.layers), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Rows -> bidirectional LSTM -> the states' mean -> a linear head."""
        return Discriminator(Reader(spec, self.width, self.layers), 2 * self.width, spec)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Orthogonal from state to gate, N(0, 1 / inputs) elsewhere; biases 0, forget gates' 1.

        Saxe et al. 2014 (arXiv:1312.6120); LeCun et al. 1998, "Efficient BackProp", equation 16;
        Gers et al. 2000, "Learning to forget" (initially open forget gates).
        """
        lstms = [part for part in module.modules() if isinstance(part, Lstm)]
        recurrent = {id(layer.weight) for part in lstms for layer in part.recall}
        gains = norm_gains(module)
        for name, parameter in module.named_parameters():
            source = rng(name)
            if id(parameter) in recurrent:
                for gate in parameter.chunk(4):
                    nn.init.orthogonal_(gate, generator=source)
            elif parameter.dim() > 1:
                parameter.normal_(0, parameter.shape[1] ** -0.5, generator=source)
            else:
                parameter.fill_(1.0 if id(parameter) in gains else 0.0)
        for part in lstms:
            for layer in part.read:
                cast(nn.Linear, layer).bias[part.width : 2 * part.width] = 1.0


NETWORK = Rnn
