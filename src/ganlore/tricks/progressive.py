"""Progressive growing: both networks start at a low resolution and fade in layer after layer."""

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
    """An image's shape and its repeated halvings, down to at least 4 rows and columns."""
    shapes = [shape]
    while all(side % 2 == 0 and side >= 2 * SMALLEST for side in shapes[-1][1:]):
        channels, height, width = shapes[-1]
        shapes.append((channels, height // 2, width // 2))
    return shapes


def depths(inside: list[Shape], smaller: list[Shape]) -> list[int]:
    """The indices in `inside` at which smaller images enter or leave a network.

    Feature maps match images of their resolution. Without feature maps, each smaller size is one
    layer deeper.

    Args:
        inside: the shapes between a network's parts, from its images inwards.
        smaller: images' shapes, from large to small; the first that fits nowhere ends the list.
    """
    feature_maps = any(len(shape) > 1 for shape in inside)
    indices: list[int] = []
    for depth, size in enumerate(smaller, start=1):
        if feature_maps:
            matching = [index for index, shape in enumerate(inside) if shape[1:] == size[1:]]
        else:
            matching = [depth] if depth < len(inside) else []
        if not matching:
            break
        indices.append(matching[0])
    return indices


class Growing(Staged, Stages):
    """A network's parts, and a layer for images of each smaller size.

    The parts keep their names, and so their keyed initialisation, and their indices, so that
    another trick can still replace a part.

    Args:
        stages: the parts.
        inside: the shapes between them, from the images inwards.
        shape: of the images.

    Attributes:
        images: the images' shape at each level.
        depths: for each level but the last, its index in `inside`.
    """

    def __init__(self, stages: Stages, inside: list[Shape], shape: Shape) -> None:
        super().__init__(list(zip(stages, stages.shapes, strict=True)))
        indices = depths(inside, sizes(shape)[1:])
        self.images = sizes(shape)[: len(indices) + 1][::-1]
        self.depths = indices[::-1]
        self.enter(len(indices), 1.0)  # the whole network, for use before the first step

    def __len__(self) -> int:
        return len(self.shapes)

    def __iter__(self) -> Iterator[nn.Module]:
        return islice(self._modules.values(), len(self))


class GrowingGenerator(Growing):
    """A generator with a layer `to_rgb` for each smaller image size.

    Args:
        stages: the generator's own parts.
        shape: of the images.
        outside: whether it returns images in the data's size, or in that of the level.
    """

    def __init__(self, stages: Stages, shape: Shape, outside: bool) -> None:
        inside = stages.shapes[-2::-1]
        super().__init__(stages, inside, shape)
        self.outside = outside
        self.ends = [*(len(inside) - 1 - depth for depth in self.depths), len(inside)]
        smaller = zip(self.depths, self.images, strict=False)
        self.to_rgb = nn.ModuleList(self._to_rgb(inside[depth], size) for depth, size in smaller)

    @staticmethod
    def _to_rgb(features: Shape, size: Shape) -> nn.Module:
        if len(features) > 1:
            return nn.Sequential(nn.Conv2d(features[0], size[0], 1), nn.Tanh())
        linear = nn.Linear(features[0], size[0] * size[1] * size[2])
        return nn.Sequential(linear, nn.Unflatten(1, size), nn.Tanh())

    def forward(self, features: Tensor) -> Tensor:
        """From noise and labels to images (N, C, H, W), in the data's or the level's size."""
        doublings = len(self.to_rgb) - self.level
        lower = None
        for index, part in enumerate(islice(self, self.ends[self.level] + 1)):
            features = part(features)
            if self.fading and index == self.ends[self.level - 1]:
                lower = self.to_rgb[self.level - 1](features)
        out: Tensor = self.to_rgb[self.level](features) if doublings else features
        out = out.reshape(-1, *self.images[self.level])
        if lower is not None:
            out = self.fade(enlarge(lower, 1), out)
        return enlarge(out, doublings) if self.outside else out


class GrowingTrunk(Growing):
    """A discriminator's trunk with a layer `from_rgb` for each smaller image size.

    Args:
        stages: the trunk's own parts.
        shape: of the images.
    """

    def __init__(self, stages: Stages, shape: Shape) -> None:
        inside = stages.shapes
        super().__init__(stages, inside, shape)
        smaller = zip(self.depths, self.images, strict=False)
        layers = [self._from_rgb(size, inside[depth]) for depth, size in smaller]
        self.from_rgb = nn.ModuleList(layers)

    @staticmethod
    def _from_rgb(size: Shape, features: Shape) -> nn.Module:
        if len(features) > 1:
            return nn.Sequential(nn.Conv2d(size[0], features[0], 1), nn.LeakyReLU(0.2))
        linear = nn.Linear(size[0] * size[1] * size[2], features[0])
        return nn.Sequential(nn.Flatten(), linear, nn.LeakyReLU(0.2))

    def forward(self, images: Tensor) -> Tensor:
        """From images in the level's size, (N, C, h, w), to features."""
        out, start = images, 0
        if self.level < len(self.from_rgb):
            out, start = self.from_rgb[self.level](images), self.depths[self.level] + 1
        for index, part in enumerate(islice(self, start, None), start):
            out = part(out)
            if self.fading and index == self.depths[self.level - 1]:
                lower = self.from_rgb[self.level - 1](shrink(images, 1))
                out = self.fade(lower, out)
        return out


@dataclass
class Progressive(Rising):
    """Both networks grow from small images to the data's size, each new layer faded in.

    They start at 4x4 pixels, or at the smallest feature maps of the network (7x7 for images of
    28x28). This is the growing only, without the paper's equalised learning rates, pixel norm and
    minibatch standard deviation, and with the network's own layers: the largest size uses the whole
    network, a smaller one its inner parts and a layer to or from images. With n sizes the budget
    has 2n - 1 equal phases: a size alone, a fade to the next one, and so on (section 2 and appendix
    A). The discriminator, its penalties included, receives images of the current size; real images
    are faded like generated ones. The authors' discriminator receives images that are enlarged to
    the last size and shrinks them itself, so that its penalty's norms are half as large for each
    doubling that is still to come.
    """

    paper = "arXiv:1710.10196"
    deviations = (
        "Images keep their tanh; the paper's are linear.",
        "The optimisers go on at a new resolution; the paper's are reset.",
        "Without the paper's equalised learning rates, pixel norm and minibatch standard "
        "deviation; the discriminator sees images of the current size.",
    )
    tip = "from low to full resolution, layer by layer"
    requires = {
        "images": "only images have a resolution, and these data are points",
        "stages": "growing needs a network of sequential parts, from low to high resolution",
    }
    incompatible = {
        "stacking": "both schedule the resolution: stacking freezes its first stage at half of the "
        "budget, when growing would still change it"
    }

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """The generator, with outputs for smaller images."""
        return lambda spec: self._grow(make(spec), outside=True)

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """The discriminator, with inputs for smaller images; a decoder in it also returns them."""
        return lambda spec: self._grow(make(spec), outside=False)

    def _grow(self, made: Made, outside: bool) -> Made:
        """Replace all stages of generators and of discriminators.

        Raises:
            ValueError: if there is nothing to grow, or the networks have different resolutions.
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
                f"progressive growing needs images whose sides are even and at least {2 * SMALLEST}"
                " (so that they can be halved), and a network of two layers or more"
            )
        levels = counts.pop()
        if self.levels not in (1, levels):
            raise ValueError(
                f"generator and discriminator have {self.levels} and {levels} resolutions; to grow "
                "together they need the same number"
            )
        self.levels, self.level = levels, levels - 1
        return made

    def level_at(self, progress: float) -> tuple[int, float]:
        """Constant levels in the even phases of the budget, fades to the next in the odd ones."""
        phase, within = divmod(progress * (2 * self.levels - 1), 1)
        return (int(phase) + 1) // 2, within if phase % 2 else 1.0


TRICK = Progressive
