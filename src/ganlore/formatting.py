"""Numbers, settings, names and papers as text, for the page, the paper, docs and commands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

LEGEND = (
    "r and f are the discriminator's logits on real samples x and generated samples G(z), sp is "
    "the softplus, E the mean over the batch, h the discriminator's features, Enc an encoder, AE "
    "an auto-encoding critic, Q what reads a code c. Names such as weight, gam and lam are "
    "settings."
)
"""The symbols of formulas."""

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")

RATIOS = ("fid", "fid_best")
"""Columns whose means over seeds are geometric ones, with intervals on the scale of logarithms."""

LITERATURE = re.compile(r"(?:arXiv:)?\b(\d{4}\.\d{4,5})\b(?=:)")
"""An id before what its paper found: "1802.05957: FID 29.3 against 40.2"."""


# -- numbers --------------------------------------------------------------------------------------


def decimals(value: float, digits: int = 3) -> int:
    """Decimal places that show a number with so many significant digits."""
    if not math.isfinite(value) or value == 0:
        return digits - 1
    exponent = int(
        f"{abs(value):.{digits - 1}e}".split("e")[1]
    )  # of the rounded number: .9996 is 1
    return min(max(digits - 1 - exponent, 0), 6)


def number(value: float, places: int | None = None) -> str:
    """A number with three significant digits, or so many decimal places; a dash for none.

    One that six decimal places show nothing of has a power of ten: 1.00e−09.
    """
    if value is None or not math.isfinite(value):
        return "–"
    if places is None and 0 < abs(value) < 1e-6:
        return _typeset(f"{value:.2e}")
    text = f"{value:,.{decimals(value) if places is None else places}f}"
    return _typeset(text)


def spread(mean: float, low: float, high: float) -> tuple[str, str]:
    """A mean and its interval's half-width, with the same decimal places; "" for no interval."""
    half = (high - low) / 2
    places = decimals(mean)
    return number(mean, places), number(half, places) if math.isfinite(half) else ""


def interval(row: Mapping[Any, Any], metric: str) -> tuple[str, str]:
    """A cell's mean, and how far its interval reaches: `± 2.1`; of a geometric mean `×/÷ 1.20`.

    An interval of ratios reaches from the mean divided by the factor to the mean times it, so that
    it never contains what cannot be, such as an FID below 0. Tables of
    earlier versions have arithmetic means of FID, whose intervals keep their ±.
    """
    mean, low, high = (row[name] for name in (metric, f"{metric}_low", f"{metric}_high"))
    if metric in RATIOS and low > 0 and math.isclose(low * high, mean * mean, rel_tol=1e-6):
        return number(mean), f"×/÷ {factor(high / mean)}"
    text, half = spread(mean, low, high)
    return text, f"± {half}" if half else ""


def factor(value: float) -> str:
    """A factor of 1 or more: 1.04, 1.7, 12."""
    return f"{value:.2f}" if value < 1.995 else f"{value:,.1f}" if value < 9.95 else f"{value:,.0f}"


def estimate(row: dict[str, Any], metric: str) -> str:
    """A cell's metric for a reader: `12.3 ± 2.1 (1 of 3 diverged)`."""
    mean, reach = interval(row, metric)
    text = f"{mean} {reach}" if reach else mean
    failed = "" if metric.endswith("_best") else diverged(row)
    return f"{text} ({failed})" if failed else text


def diverged(row: dict[str, Any]) -> str:
    """How many runs of a cell diverged; "" for none."""
    return f"{row['n_diverged']} of {row['n_seeds']} diverged" if row["n_diverged"] else ""


def signed(text: str) -> str:
    """A number's text with a typographic minus."""
    return text.replace("-", "−")


def _typeset(text: str) -> str:
    """The same of a number alone: a negative that rounds to nothing is nothing."""
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else signed(text)


def less(percent: float, most: int = 2) -> str:
    """A decrease in per cent with as many places, of up to two, as tell it from all: 98, 99.8."""
    texts = (f"{percent:.{places}f}" for places in range(most + 1))
    return next((text for text in texts if float(text) < 100), "100")


def unbroken(text: str) -> str:
    """A text whose per cent signs stay on the line of their numbers."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def change(log_ratio: float) -> str:
    """A difference of logarithms as a signed change in per cent: +1.5 %, −23 %."""
    if math.isnan(log_ratio):
        return "?"
    percent = 100 * math.expm1(log_ratio)
    if percent <= -10:
        return f"−{less(-percent)} %"
    return signed(f"{percent:+.{0 if abs(percent) >= 10 else 1}f} %")


def short_change(log_ratio: float) -> str:
    """The same in little room: −23 %, +40 %, and from a doubling on ×2.3."""
    if not math.isfinite(log_ratio):
        return "–"
    ratio = math.exp(log_ratio)
    if ratio >= 2:
        return f"×{ratio:.{1 if ratio < 10 else 0}f}"
    change, sign = 100 * (ratio - 1), "+" if ratio > 1 else "−"
    size = less(-change, most=1) if ratio < 1 else f"{change:.0f}"
    return f"{sign}{size} %" if size != "0" else "0 %"


def difference(value: float, sign: bool = True) -> str:
    """A difference, or with `sign` false a value, in two digits."""
    if math.isnan(value):
        return "?"
    text = f"{value:{'+' if sign else ''}.{2 if abs(value) < 10 else 1}f}"
    return _typeset(text)


def p_value(p: float) -> str:
    """A p-value."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(n: int) -> str:
    """A whole number with its thousands apart."""
    return f"{n:,}"


def percent(share: float) -> str:
    """A share in per cent, without its sign."""
    return f"{100 * share:.3g}"


def duration(seconds: float) -> str:
    """A time: 12 seconds, 83 minutes, 2.2 hours, 12,345 hours."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    hours = seconds / 3600
    return f"{hours:,.0f} hours" if hours >= 10 else f"{hours:.1f} hours"


def size(n: float) -> str:
    """Bytes in powers of 1000: 12 MB, 3.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if n >= 10 or unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


# -- settings and names ----------------------------------------------------------------------------


def plain(value: float) -> str:
    """A number as papers write it: 0.5, 10, 2e-4."""
    if value and abs(value) < 0.01:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:g}"


def setting(value: Any) -> str:
    """A setting's value: numbers as in `plain`, sequences in brackets."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, list | tuple):
        return f"({', '.join(setting(item) for item in value)})"
    return str(value)


def optimizer(settings: Any) -> str:
    """An optimiser in a phrase; what is not set is left out.

    `adam, lr 1e-4 (discriminator 4e-4), betas (0, 0.9)`; rates that change in the course of
    training have the value at the end behind them, `lr 2e-4 to 5e-5`.
    """
    values = settings if isinstance(settings, Mapping) else settings.model_dump()
    rest = {key: item for key, item in values.items() if item is not None}
    kind, rate, betas = rest.pop("kind"), _change(rest, "lr"), rest.pop("betas", None)
    second, line = rest.pop("beta2_end", None), rest.pop("decay", None) == "linear"
    rate += " in a straight line" if line and " to " in rate else ""
    if "lr_discriminator" in rest:
        rate += f" (discriminator {_change(rest, 'lr_discriminator')})"
    words = [kind, f"lr {rate}"]
    if kind == "adam" and betas is not None:
        words.append(f"betas {setting(betas)}")
        words[-1] += f", beta2 to {plain(second)}" if second is not None else ""
    return ", ".join(
        [*words, *(f"{key.replace('_', ' ')} {setting(item)}" for key, item in rest.items())]
    )


def _change(values: dict[str, Any], key: str) -> str:
    """A value, with that of `<key>_end` where it has one; both are taken out."""
    start, end = values.pop(key), values.pop(f"{key}_end", None)
    return plain(start) + (f" to {plain(end)}" if end is not None else "")


def settings(values: Mapping[str, Any]) -> str:
    """A plug-in's settings but for its optimiser, `n_critic 5, clip 0.01`."""
    return ", ".join(f"{key} {setting(item)}" for key, item in values.items() if key != "optimizer")


def papers(text: str | None) -> list[str]:
    """The arXiv ids in a plug-in's `paper`."""
    return ARXIV.findall(text or "")


def links(text: str | None) -> str:
    """A plug-in's `paper` in Markdown, every arXiv id a link to its abstract."""
    return ARXIV.sub(r"[\1](https://arxiv.org/abs/\1)", text or "-")


def cited(text: str) -> list[tuple[str, str]]:
    """What papers found, as parts: an arXiv id, or "", and the words after it."""
    first, *rest = LITERATURE.split(text)
    parts = [("", first)] * bool(first.strip())
    return parts + list(zip(rest[::2], rest[1::2], strict=True))


def listed(names: Iterable[Any]) -> str:
    """Names as a phrase: a, b and c."""
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} and {last}" if first else last
