"""Says which GPU torch finds, and refuses one whose memory others hold."""

from __future__ import annotations

import torch

MOST = 0.1
"""The share of its memory that others may hold: what a desktop needs, and no training."""


def check() -> str:
    """The card, its memory and torch's version.

    Raises:
        SystemExit: if there is none, or others use it.
    """
    if not torch.cuda.is_available():
        raise SystemExit(f"torch {torch.__version__} finds no GPU: install a build for this driver")
    free, total = torch.cuda.mem_get_info()
    name, held = torch.cuda.get_device_name(0), (total - free) / total
    if held > MOST:
        raise SystemExit(
            f"{name}: others hold {held:.0%} of its memory, so that the numbers would be theirs as "
            "well\n  `nvidia-smi` names them"
        )
    return f"torch {torch.__version__}, {name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"


if __name__ == "__main__":
    print(check())
