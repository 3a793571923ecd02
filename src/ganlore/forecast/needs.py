"""All that a study needs from outside, looked for before its first job.

The one place that collects it: what data sets read (`Dataset.needs`), extractors' published
weights, the package that writes events, and the memory of an evaluation's samples. `ganlore plan`
shows what is not here, and `ganlore needs`, which the Snakefile asks, refuses a study that would
fail for it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from ganlore import shapes, storage
from ganlore.data import Dataset
from ganlore.errors import GanloreError
from ganlore.formatting import size
from ganlore.study import compatibility, registry, trials, weights
from ganlore.study.needs import Need, packages, unreachable
from ganlore.study.run import Plan, Run


def of(plan: Plan) -> list[Need]:
    """What a plan needs and is not here, a search's trials included.

    Nothing is downloaded or read whole.
    """
    sample_shapes: dict[str, tuple[int, ...] | None] = {}
    needs: list[Need] = []
    for name, settings in plan.datasets.items():
        path = Path(plan.study.data) / "prepared" / name / "manifest.json"
        with contextlib.suppress(GanloreError):  # missing or damaged: it is prepared again
            manifest = storage.open_record(path, "run snakemake", shapes.Manifest)
            if manifest["settings"] == settings:
                sample_shapes[name] = tuple(manifest["shape"])
                continue
        plugin: Dataset = registry.create("dataset", name, settings)
        needs += plugin.needs()
        form = plugin.form()
        sample_shapes[name] = form[0] if form else None
    if plan.study.training.tensorboard:
        needs += tensorboard()
    for part in (plan, *trials.forecast(plan.study)):
        needs += [*_weights(part), *_memory(part, sample_shapes)]
    return list(dict.fromkeys(needs))


def tensorboard() -> list[Need]:
    """The package that writes events, where it is not installed."""
    remedy = "  pip install 'ganlore[tensorboard]', or leave training.tensorboard out"
    return packages(["tensorboard"], "training.tensorboard = true", remedy)


def _weights(plan: Plan) -> Iterator[Need]:
    """Files of weights that are not there, with what else each data set can be evaluated with."""
    data = Path(plan.study.data)
    used = {name for run in plan.runs for name in run.training_extractors}
    for extractor in dict.fromkeys(name for names in plan.extractors.values() for name in names):
        wanted = weights.of(extractor)
        if wanted is None or wanted.path(data).is_file():
            continue
        without = []
        for dataset, names in plan.extractors.items():
            if extractor in names:
                settings = plan.datasets[dataset]
                advice = compatibility.instead_of(extractor, dataset, settings, used, offline=True)
                without.append(advice)
        remedy = wanted.by_hand(data, "\n".join(without))
        if wanted.own:
            what = f"{wanted.variable} names {wanted.own}: no such file"
            yield Need(f"extractor {extractor}: {what}", remedy)
        else:
            what = f"{size(wanted.bytes)} of weights, to {wanted.path(data)}"
            yield Need(f"extractor {extractor}: {what}", remedy, (wanted.url,))


def _memory(plan: Plan, sample_shapes: dict[str, tuple[int, ...] | None]) -> Iterator[Need]:
    """Noise and samples of one evaluation, from below: no machine gets by with less."""

    def least(run: Run) -> int:
        shape = sample_shapes[run.dataset.name] or (0,)
        sample = math.prod(shape) * (1 if len(shape) == 3 else 4)
        return run.protocol.n_fake * (4 * run.training.latent + sample)

    largest = max(plan.runs, key=least)
    there = psutil.virtual_memory().total + psutil.swap_memory().total
    if least(largest) > there:
        yield Need(
            f"protocol.n_fake = {largest.protocol.n_fake:,}: {size(least(largest))} of memory for "
            f"the noise and samples of {largest.id}; this machine has {size(there)}",
            "  lower protocol.n_fake",
        )


def lines(needs: Iterable[Need], answers: dict[Need, str]) -> Iterator[str]:
    """What `ganlore plan` says of what is not here."""
    for need in needs:
        if not need.urls:
            yield f"  missing: {need.what}"
            continue
        reason = answers[need]
        unreached = f", which cannot be reached from here ({reason})\n{need.remedy}"
        yield f"  to be fetched: {need.what}, from {need.urls[0]}{unreached if reason else ''}"


def asked(needs: Iterable[Need]) -> dict[Need, str]:
    """Why what is to be fetched cannot be reached, "" where it can."""
    answers: dict[tuple[str, ...], str] = {}
    for need in needs:
        hosts = tuple(urlsplit(url).netloc for url in need.urls)
        if hosts and hosts not in answers:
            answers[hosts] = unreachable(need.urls)
    return {
        need: answers[tuple(urlsplit(url).netloc for url in need.urls)]
        for need in needs
        if need.urls
    }


def check(plan: Plan, needs: Iterable[Need], answers: dict[Need, str]) -> None:
    """Refuse what would fail.

    Args:
        plan: the study.
        needs: what is not here.
        answers: `asked` of those that are to count; a server that does not answer is a failure.

    Raises:
        GanloreError: with all of it, and what to do.
    """
    lacking = [need for need in needs if not need.urls or answers.get(need)]
    if lacking:
        texts = (
            f"\n{need.what}{f': {answers[need]} at {need.urls[0]}' if need.urls else ''}"
            f"\n{need.remedy}"
            for need in lacking
        )
        raise GanloreError(
            f"study {plan.study.name}: it would fail for want of {len(lacking)} "
            f"thing{'s' * (len(lacking) > 1)}:{''.join(texts)}"
        )
