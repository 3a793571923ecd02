"""Recurrent networks that write and read an image row by row, from top to bottom: RNN-GAN."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec
from ganlore.settings import PositiveInt


class Lstm(nn.Module):
    """One layer of long short-term memory over a sequence, in one direction or in both.

    Written out, since cuDNN's has no second derivative, which gradient penalties need, and since
    spectral normalisation looks for `nn.Linear`. Without peepholes, as in torch (Sak et al. 2014,
    arXiv:1402.1128, section 2.1); the gates stand in the order input, forget, output, cell.

    Args:
        inputs: width of the sequence.
        width: cells in each direction.
        directions: 1, or 2 for one that also reads from the end.
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
        # Inputs do not wait for each other: one product for all steps. Each weight is asked for
        # once: spectral normalisation makes it anew, by one power iteration, whenever it is.
        seen = [self.read[0](sequence), *(layer(sequence.flip(0)) for layer in self.read[1:])]
        weights = torch.stack([cast(nn.Linear, layer).weight.t() for layer in self.recall])
        cell = state = None
        states = []
        for heard in torch.stack(seen, dim=1).unbind():
            # both directions at once, (directions, N, 4 width); nothing is remembered at first
            gates = heard if state is None else torch.baddbmm(heard, state, weights)
            doors, content = gates.split((3 * self.width, self.width), dim=2)
            enter, keep, show = doors.sigmoid().chunk(3, dim=2)
            new = enter * content.tanh()
            cell = new if cell is None else torch.addcmul(new, keep, cell)
            state = show * cell.tanh()
            states.append(state)
        first, *second = torch.stack(states, dim=1)
        return torch.cat([first, *(backward.flip(0) for backward in second)], dim=2)


class RowNorm(nn.Module):
    """Batch norm of each row by itself, over samples: no row learns anything of a later one.

    Each step of a sequence has statistics of its own in Cooijmans et al. 2016 (arXiv:1603.09025),
    section 3, too, since the first states, near 0, have little spread.

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
    """From noise, and codes and the label where there are such, to an image, row after row.

    Each row has a piece of the noise of its own, and hears codes and label. The noise is cut in
    order; where it does not divide, zeros stand at its end.

    Args:
        spec: what it is built for.
        width: cells in a layer.
        layers: layers, all reading downwards.
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
        noise, label = inputs[:, : self.latent], inputs[:, self.latent :]
        noise = functional.pad(noise, (0, rows * self.piece - self.latent))
        pieces = noise.reshape(len(inputs), rows, self.piece).transpose(0, 1)
        heard = torch.cat([pieces, label.expand(rows, -1, -1)], dim=2)
        drawn: Tensor = self.row(self.memory(heard)).tanh()
        return drawn.reshape(rows, -1, channels, columns).permute(1, 2, 0, 3)


class Reader(nn.Module):
    """From an image to what both directions remember, on average over the rows.

    Args:
        spec: what it is built for.
        width: cells in each direction of a layer.
        layers: layers, all in both directions.
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
    """An LSTM writes rows from a sequence of noise; one in both directions reads them.

    The discriminator's features are its states' mean over all rows, so that the logit is the mean
    of one linear layer's answers at each row, as in the paper's section 4, which averages after the
    sigmoid that no network here has. The paper also gives a cell of the generator what the one
    before it put out; here a row is known to the next one by the state that it was made from. The
    generator's hidden layer with batch norm is not the paper's, which pre-trains the generator and
    pauses whichever network is ahead; here nothing but the network may be what is different.
    """

    paper = "arXiv:1611.09904"
    requires = {"images": "a recurrent network reads and writes rows of images"}
    width: PositiveInt = 64
    layers: PositiveInt = 1

    def generator(self, spec: Spec) -> Generator:
        """Noise, a piece for each row -> LSTM from top to bottom -> hidden layer -> tanh."""
        return Generator(Writer(spec, self.width, self.layers), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Rows -> LSTM in both directions -> the states' mean -> a linear head."""
        return Discriminator(Reader(spec, self.width, self.layers), 2 * self.width, spec)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Orthogonal from state to gate, N(0, 1 / inputs) elsewhere; biases 0, forget gates' 1.

        Saxe et al. 2014 (arXiv:1312.6120); LeCun et al. 1998, "Efficient BackProp", equation 16;
        Gers et al. 2000, "Learning to forget", whose gates begin open.
        """
        memories = [part for part in module.modules() if isinstance(part, Lstm)]
        recalled = {id(layer.weight) for part in memories for layer in part.recall}
        gains = {id(part.weight) for part in module.modules() if isinstance(part, nn.BatchNorm1d)}
        for name, parameter in module.named_parameters():
            source = rng(name)
            if id(parameter) in recalled:
                for gate in parameter.chunk(4):
                    nn.init.orthogonal_(gate, generator=source)
            elif parameter.dim() > 1:
                parameter.normal_(0, parameter.shape[1] ** -0.5, generator=source)
            else:
                parameter.fill_(1.0 if id(parameter) in gains else 0.0)
        for part in memories:
            for layer in part.read:
                cast(nn.Linear, layer).bias[part.width : 2 * part.width] = 1.0


NETWORK = Rnn
