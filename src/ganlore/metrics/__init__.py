"""Metrics: arrays in, numbers out.

Every file in this folder whose name has no leading underscore is a plug-in. It defines
`METRICS: dict[str, Metric]` and `measure(comparison: Comparison) -> dict[str, float]`, which gives
a value for each of its names whose `needs` the comparison has. Nothing else needs to know.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganlore.metrics._arrays import Array, Features, as_floats, feature_pair
from ganlore.metrics._devices import host, on

if TYPE_CHECKING:
    import torch

__all__ = ["Comparison", "Metric", "Reference", "applicable", "measure_all", "metrics"]

Known = tuple[Array, ...]
"""What is kept of a computation: arrays, so that it can be written to a file."""

_SHARES_TOLERANCE = 1e-6

_KINDS = {"high_quality": ("b", "booleans"), "distances": ("f", "floats")}
"""The kinds of numpy's types that fields with a value for each sample have, if not integers."""


@dataclass(frozen=True)
class Metric:
    """How a report shows a metric.

    Attributes:
        label: name for an axis or a table's head.
        higher_is_better: the direction of a better generator.
        bounds: least and greatest possible value, None where there is no bound.
        paper: arXiv id of the definition.
        only: the losses that have it, where not all have: "conditional losses".
        pairs: whether it looks at all pairs of samples, so that fewer samples may have to do.
        needs: the fields of a `Comparison`, beside the features, without which it has no meaning.
    """

    label: str
    higher_is_better: bool
    bounds: tuple[float | None, float | None]
    paper: str
    only: str = ""
    pairs: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reference:
    """Features of the data that many sets of samples are compared with.

    What a metric computes of them alone is computed once, and kept here.

    Attributes:
        features: (n_real, d), in float32 or float64.
        computed: what was computed of them: {name of a computation: its arrays}. It can be given
            to another reference of the same features.
        prefix: of the names, where these are the first few features of a larger reference.
        copies: the features on devices, so that they are copied to each once.
    """

    features: Features
    computed: dict[str, Known] = field(default_factory=dict, repr=False)
    prefix: str = ""
    copies: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", as_floats(self.features))

    def on(self, device: torch.device | None) -> Any:
        """The features as a tensor on a device; for None as they are, in numpy."""
        if device is None:
            return self.features
        if str(device) not in self.copies:
            self.copies[str(device)] = on(device, self.features)
        return self.copies[str(device)]

    def once(
        self, compute: Callable[[Features], Known], device: torch.device | None = None
    ) -> Known:
        """`compute(features)`, in numpy, from memory where it is known.

        Args:
            compute: the computation.
            device: where it is made, if `compute` takes a tensor: by default it gets numpy.
        """
        name = f"{self.prefix}{compute.__module__.rpartition('.')[2]}.{compute.__name__}"
        if name not in self.computed:
            made = compute(self.on(device))
            self.computed[name] = made if device is None else tuple(map(host, made))
        return self.computed[name]

    def first(self, n: int) -> Reference:
        """The reference of the first n features; what is computed of them is kept here too."""
        if n >= len(self.features):
            return self
        return Reference(self.features[:n], self.computed, f"first {n}: ")


@dataclass(frozen=True, eq=False)
class Placed:
    """The features of a comparison where metrics of much arithmetic compute: numpy, or tensors.

    Attributes:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        reference: that of `real`.
        device: of the tensors, None for numpy.
    """

    real: Any
    fake: Any
    reference: Reference
    device: torch.device | None

    def of_real(self, compute: Callable[[Features], Known]) -> Any:
        """`compute(real)`, computed once for all comparisons with the same reference, placed."""
        parts = self.reference.once(compute, self.device)
        return tuple(on(self.device, part) for part in parts)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a metric sees: generated samples beside data, as features.

    Metrics compute in float64, in which none of this package overflows on finite float32.

    Attributes:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        modes: index of the mode nearest to, or predicted for, each generated sample, (n_fake,).
        modes_before: those of the samples at the snapshot before, from the same noise, (n_fake,).
        high_quality: whether a sample is within 3 standard deviations of its mode's centre,
            (n_fake,) booleans; for data whose modes have a known centre and width.
        mode_shares: the data's share of each mode, (n_modes,), summing to 1.
        asked: the mode that a conditional generator was asked for, (n_fake,).
        codes: the categorical code that each sample was made from, (n_fake,).
        originals: held-out samples, (n_held_out, ...), as networks see them.
        reconstructions: what an encoder and the generator make of them, of the same shape.
        probabilities: of each sample's classes, (n_fake, classes), for the Inception Score.
        distances: of each sample from the centre of its mode, (n_fake,).
        reference: `real` with what is known of it already; by default nothing is.
        n_pairs: so many samples of each side are enough for metrics over all pairs; None: all.
        device: of torch, for the arithmetic of metrics that ask for `placed`; None: numpy.

    Raises:
        ValueError: if shapes do not fit, there are fewer than 2 rows on a side, features are not
            finite, a mode is not an index into `mode_shares`, the shares are no distribution, or
            the reference is that of other features.
    """

    real: Features
    fake: Features
    modes: NDArray[np.integer] | None = None
    modes_before: NDArray[np.integer] | None = None
    high_quality: NDArray[np.bool_] | None = None
    mode_shares: NDArray[np.floating] | None = None
    asked: NDArray[np.integer] | None = None
    codes: NDArray[np.integer] | None = None
    originals: NDArray[np.floating] | None = None
    reconstructions: NDArray[np.floating] | None = None
    probabilities: Features | None = None
    distances: NDArray[np.floating] | None = None
    reference: Reference | None = None
    n_pairs: int | None = None
    device: torch.device | None = None

    def __post_init__(self) -> None:
        real, fake = feature_pair(self.real, self.fake)
        object.__setattr__(self, "real", real)
        object.__setattr__(self, "fake", fake)
        if self.reference is not None and self.reference.features is not real:
            raise ValueError("reference must be that of real: its features are another array")
        for name in ("modes", "modes_before", "high_quality", "asked", "codes", "distances"):
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, _per_sample(name, values, len(fake)))
        if self.mode_shares is not None:
            object.__setattr__(self, "mode_shares", _shares(self.mode_shares))
        for modes in (self.modes, self.modes_before):
            if modes is not None:
                _check_modes(modes, self.mode_shares)
        _check_probabilities(self.probabilities, len(fake))
        _check_pairs(self.originals, self.reconstructions)

    def of_real(self, compute: Callable[[Features], Known]) -> Known:
        """`compute(real)` in numpy, computed once for all comparisons with the same reference."""
        return self._reference.once(compute)

    @cached_property
    def placed(self) -> Placed:
        """The features on `device`, for metrics that compute with tensors too (`_devices`)."""
        fake = on(self.device, self.fake)
        return Placed(self._reference.on(self.device), fake, self._reference, self.device)

    @cached_property
    def _reference(self) -> Reference:
        return self.reference or Reference(self.real)

    @property
    def pairs(self) -> Comparison:
        """The features that metrics over all pairs compare: the first `n_pairs` of each side."""
        n = self.n_pairs
        few = n is not None and n < max(len(self.real), len(self.fake))
        return self._first if few else self

    @cached_property
    def _first(self) -> Comparison:
        # kept, so that its features are copied to a device once for all metrics
        assert self.n_pairs is not None
        reference = self._reference.first(self.n_pairs)
        fake = self.fake[: self.n_pairs]
        return Comparison(reference.features, fake, reference=reference, device=self.device)


def metrics() -> dict[str, Metric]:
    """All metrics by name, in the order of their files' names.

    Raises:
        ValueError: if two files define the same name.
    """
    by_name: dict[str, Metric] = {}
    for plugin in _plugins():
        if taken := sorted(by_name.keys() & plugin.METRICS.keys()):
            raise ValueError(f"{plugin.__name__} defines metrics that exist already: {taken}")
        by_name.update(plugin.METRICS)
    return by_name


def applicable(fields: Collection[str]) -> list[str]:
    """The metrics that have a meaning where a comparison has these fields beside the features."""
    return [name for name, metric in metrics().items() if set(metric.needs) <= set(fields)]


def measure_all(comparison: Comparison) -> dict[str, float]:
    """All metrics that have a meaning for a comparison, by name, in the order of `metrics()`.

    Raises:
        ValueError: if a metric needs more rows than there are.
        RuntimeError: if a file gives other values than those that it declares.
    """
    fields = [field.name for field in dataclasses.fields(comparison)]
    names = applicable([name for name in fields if getattr(comparison, name) is not None])
    values: dict[str, float] = {}
    for plugin in _plugins():
        if own := {name for name in names if name in plugin.METRICS}:
            measured: dict[str, float] = plugin.measure(comparison)
            if measured.keys() != own:
                raise RuntimeError(
                    f"{plugin.__name__} measured {sorted(measured)}; by what its METRICS need, "
                    f"expected {sorted(own)}"
                )
            values.update(measured)
    return {name: float(values[name]) for name in names}


def _plugins() -> list[ModuleType]:
    # Imported late: the plug-ins themselves import Comparison and Metric from here.
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{n}") for n in names if not n.startswith("_")]


def _per_sample(name: str, values: NDArray[np.generic], n_fake: int) -> NDArray[np.generic]:
    array = np.asarray(values)
    kinds, expected = _KINDS.get(name, ("iu", "integers"))
    if array.shape != (n_fake,) or array.dtype.kind not in kinds:
        raise ValueError(
            f"{name} must be {expected} of shape ({n_fake},), one for each row of fake: "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array


def _shares(values: NDArray[np.floating]) -> NDArray[np.float64]:
    shares = np.asarray(values, dtype=np.float64)
    if shares.ndim != 1 or not len(shares):
        raise ValueError(f"mode_shares must be of shape (n_modes,): got {shares.shape}")
    # Written so that NaN fails too.
    if not (shares.min() >= 0 and abs(shares.sum() - 1) <= _SHARES_TOLERANCE):
        raise ValueError(
            f"mode_shares must be at least 0 and sum to 1: got a least of {shares.min():g} "
            f"and a sum of {shares.sum():g}"
        )
    return shares


def _check_probabilities(probabilities: Features | None, n_fake: int) -> None:
    if probabilities is not None and (probabilities.ndim != 2 or len(probabilities) != n_fake):
        raise ValueError(
            f"probabilities must be of shape ({n_fake}, classes), one row for each row of fake: "
            f"got {probabilities.shape}"
        )


def _check_modes(modes: NDArray[np.integer], mode_shares: NDArray[np.floating] | None) -> None:
    n_modes = np.inf if mode_shares is None else len(mode_shares)
    if modes.min() < 0 or modes.max() >= n_modes:
        raise ValueError(
            f"modes must be in 0 ... {n_modes - 1}: got {modes.min()} to {modes.max()}"
        )


def _check_pairs(
    originals: NDArray[np.floating] | None, reconstructions: NDArray[np.floating] | None
) -> None:
    shapes = [None if pair is None else pair.shape for pair in (originals, reconstructions)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "originals and reconstructions must be given together and be of one shape: got "
            f"{shapes[0]} and {shapes[1]}"
        )
