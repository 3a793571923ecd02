"""Pictures that are in the training and in the test split, pixel by pixel.

They are named and not refused: published data sets have some, which nobody may take out. But a
metric against the test split is better by them than it is on pictures that were not seen.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ganlore.console import say
from ganlore.data._listing import first

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlore.data import Split

RECORDED = 100
"""How many pairs the manifest has at most."""


def named(dataset: str, splits: dict[str, Split]) -> dict[str, Any]:
    """The pictures of the test split that are in the training split; prints a warning.

    Returns:
        `count`, and the `first` of them as [training picture, test picture], by the names of their
        files or by their numbers.
    """
    train, test = splits["train"], splits["test"]
    places: dict[bytes, int] = {}
    for index, image in enumerate(train.samples):
        places.setdefault(_digest(image), index)
    pairs = [
        [_name(train, places[digest]), _name(test, index)]
        for index, image in enumerate(test.samples)
        if (digest := _digest(image)) in places
    ]
    if pairs:
        listed = "\n  ".join(first([f"{one} and {other}" for one, other in pairs]))
        say(
            f"warning: data set {dataset}: {len(pairs)} pictures of the test split are in the "
            f"training split as well:\n  {listed}\n  metrics against the test split are too good "
            "by them; remove one of each pair"
        )
    return {"count": len(pairs), "first": pairs[:RECORDED]}


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _name(split: Split, index: int) -> str:
    return split.names[index] if split.names else f"sample {index}"
