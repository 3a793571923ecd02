"""Progressive growing: both networks begin with small images and fade in layer after layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Stages
from ganlore.tricks._resolution import Rising, Staged, enlarge, shrink

if TYPE_CHECKING:
    from ganlore.networks import Critic, Network, Spec

Shape = tuple[int, ...]
Made = TypeVar("Made", bound=nn.Module)

SMALLEST = 4


def sizes(shape: Shape) -> list[Shape]:
    """An image's shape, and its halves as long as they are whole and have 4 rows and columns."""
    shapes = [shape]
    while all(side % 2 == 0 and side >= 2 * SMALLEST for side in shapes[-1][1:]):
        channels, height, width = shapes[-1]
        shapes.append((channels, height // 2, width // 2))
    return shapes


def depths(inside: list[Shape], smaller: list[Shape]) -> list[int]:
    """Where in a network smaller images come in or go out, as places in `inside`.

    A picture of features belongs to images of its own resolution. Vectors have none: there each
    smaller size is a layer deeper, so that a larger one has a layer more.

    Args:
        inside: the shapes between a network's parts, from its images inwards.
        smaller: images' shapes, from large to small; the first without a place ends the list.
    """
    pictures = any(len(shape) > 1 for shape in inside)
    fitting_depths: list[int] = []
    for index, size in enumerate(smaller, start=1):
        if pictures:
            fitting = [place for place, shape in enumerate(inside) if shape[1:] == size[1:]]
        else:
            fitting = [index] if index < len(inside) else []
        if not fitting:
            break
        fitting_depths.append(fitting[0])
    return fitting_depths


class Growing(Staged, Stages):
    """A network's parts, and a layer for images of each smaller size.

    The parts keep their names, and so the weights that they begin with, and their places: who
    replaces one of them replaces what grows.

    Args:
        stages: the parts.
        inside: the shapes between them, from the images inwards.
        shape: the images'.

    Attributes:
        images: the images' shape at each level.
        depths: for each level but the last, its place in `inside`.
    """

    def __init__(self, stages: Stages, inside: list[Shape], shape: Shape) -> None:
        super().__init__(list(zip(stages, stages.shapes, strict=True)))
        inside_depths = depths(inside, sizes(shape)[1:])
        self.images = sizes(shape)[: len(inside_depths) + 1][::-1]
        self.depths = inside_depths[::-1]
        self.enter(len(inside_depths), 1.0)  # whole, for whoever looks at it before the first step

    def __len__(self) -> int:
        return len(self.shapes)

    def __iter__(self) -> Iterator[nn.Module]:
        return islice(self._modules.values(), len(self))


class GrowingGenerator(Growing):
    """A generator whose smaller images leave it through a layer `to_rgb` of their own.

    Args:
        stages: the generator's own parts.
        shape: the images'.
        outside: whether images leave it in full size, or in that of the level.
    """

    def __init__(self, stages: Stages, shape: Shape, outside: bool) -> None:
        inside = stages.shapes[-2::-1]
        super().__init__(stages, inside, shape)
        self.outside = outside
        self.ends = [*(len(inside) - 1 - depth for depth in self.depths), len(inside)]
        places = zip(self.depths, self.images, strict=False)
        self.to_rgb = nn.ModuleList(self._way_out(inside[depth], size) for depth, size in places)

    @staticmethod
    def _way_out(features: Shape, size: Shape) -> nn.Module:
        if len(features) > 1:
            return nn.Sequential(nn.Conv2d(features[0], size[0], 1), nn.Tanh())
        linear = nn.Linear(features[0], size[0] * size[1] * size[2])
        return nn.Sequential(linear, nn.Unflatten(1, size), nn.Tanh())

    def forward(self, hidden: Tensor) -> Tensor:
        """Images (N, C, H, W), as blocks of equal pixels below the last level, or small."""
        doublings = len(self.to_rgb) - self.level
        lower = None
        for place, part in enumerate(islice(self, self.ends[self.level] + 1)):
            hidden = part(hidden)
            if self.fading and place == self.ends[self.level - 1]:
                lower = self.to_rgb[self.level - 1](hidden)
        out: Tensor = self.to_rgb[self.level](hidden) if doublings else hidden
        out = out.reshape(-1, *self.images[self.level])
        if lower is not None:
            out = self.fade(enlarge(lower, 1), out)
        return enlarge(out, doublings) if self.outside else out


class GrowingTrunk(Growing):
    """A discriminator's trunk that smaller images enter through a layer `from_rgb` of their own.

    Args:
        stages: the trunk's own parts.
        shape: the images'.
    """

    def __init__(self, stages: Stages, shape: Shape) -> None:
        inside = stages.shapes
        super().__init__(stages, inside, shape)
        places = zip(self.depths, self.images, strict=False)
        self.from_rgb = nn.ModuleList(self._way_in(size, inside[depth]) for depth, size in places)

    @staticmethod
    def _way_in(size: Shape, features: Shape) -> nn.Module:
        if len(features) > 1:
            return nn.Sequential(nn.Conv2d(size[0], features[0], 1), nn.LeakyReLU(0.2))
        linear = nn.Linear(size[0] * size[1] * size[2], features[0])
        return nn.Sequential(nn.Flatten(), linear, nn.LeakyReLU(0.2))

    def forward(self, images: Tensor) -> Tensor:
        """From images of the level, (N, C, h, w), to features."""
        out, start = images, 0
        if self.level < len(self.from_rgb):
            out, start = self.from_rgb[self.level](images), self.depths[self.level] + 1
        for place, part in enumerate(islice(self, start, None), start):
            out = part(out)
            if self.fading and place == self.depths[self.level - 1]:
                lower = self.from_rgb[self.level - 1](shrink(images, 1))
                out = self.fade(lower, out)
        return out


@dataclass
class Progressive(Rising):
    """Both networks grow from small images to the data's size, each new layer faded in.

    They begin at 4x4 pixels, or with the smallest pictures that the network has inside (7x7 for
    images of 28x28). Only the growing is here. What else the paper brings, equalised learning
    rates, pixel norm and the batch's standard deviation, is not, and the layers are the network's
    own: the largest size has the network as it is, each smaller one those of its parts that lie
    further inside, and a layer to or from images. With n sizes the budget has 2n - 1 equal parts: a
    size alone, a fade to the next one, and so on (section 2 and appendix A). The discriminator, its
    penalties included, sees images of the current size; a fade treats real images as it does
    generated ones.
    """

    paper = "arXiv:1710.10196"
    tip = "from low to full resolution, layer by layer"
    requires = {
        "images": "resolution is a property of images, and these data are points without any",
        "stages": "growing needs a network that is made of parts, from small to large images",
    }
    incompatible = {
        "stacking": "both say which resolution is trained when: stacking holds its first network "
        "still at half of the budget, when growing would still be changing it"
    }

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """The generator, with ways out for smaller images."""
        return lambda spec: self._grow(make(spec), outside=True)

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """The discriminator, with ways in; a decoder in it draws what it was shown, small too."""
        return lambda spec: self._grow(make(spec), outside=False)

    def _grow(self, made: Made, outside: bool) -> Made:
        """Replace all stages of generators and of discriminators.

        Raises:
            ValueError: where nothing is left to grow.
        """
        grown: list[Growing] = []
        for module in list(made.modules()):
            if isinstance(module, Generator) and isinstance(module.body, Stages):
                module.body = GrowingGenerator(module.body, module.shape, outside)
                grown.append(module.body)
            elif isinstance(module, Discriminator) and isinstance(module.trunk, Stages):
                module.trunk = GrowingTrunk(module.trunk, module.spec.shape)
                grown.append(module.trunk)
        counts = {len(part.images) for part in grown}
        if len(counts) != 1 or counts == {1}:
            raise ValueError(
                "progressive growing needs images whose sides can be halved to no less than "
                f"{SMALLEST}, and a network of two layers or more"
            )
        levels = counts.pop()
        if self.levels not in (1, levels):
            raise ValueError(
                f"generator and discriminator can be at {self.levels} and at {levels} resolutions; "
                "to grow together they need equally many"
            )
        self.levels, self.level = levels, levels - 1
        return made

    def level_at(self, progress: float) -> tuple[int, float]:
        """Levels in the even parts of the budget, fades to the next one in the odd parts."""
        part, within = divmod(progress * (2 * self.levels - 1), 1)
        return (int(part) + 1) // 2, within if part % 2 else 1.0


TRICK = Progressive
