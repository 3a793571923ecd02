"""`ganlore watch`: a study in progress as a live table, and as a page that refreshes itself."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganlore import storage
from ganlore.cli.app import DEFAULT, CoresOption, StudyArgument, app, finite
from ganlore.console import say
from ganlore.execution import status, watching
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Run

if TYPE_CHECKING:
    from rich.console import Group

WIDTH = 40
"""Characters of the bar."""

LATEST, BEST, LISTED = 6, 5, 15
"""Runs evaluated last, best cells of each network and data set, and other runs that are listed."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{% if not view.finished %}<meta http-equiv="refresh" content="{{ every }}">{% endif %}
<title>{{ view.name }}: {{ head }}</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem auto;
max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } td, th { padding: .1rem .8rem .1rem 0;
text-align: left } td.n { text-align: right; font-variant-numeric: tabular-nums }
progress { width: 100% } figure { display: inline-block; margin: 0 1rem 1rem 0 }
img { image-rendering: pixelated; width: 16rem } figcaption { font-size: 12px; max-width: 16rem }
</style></head><body>
<h1>{{ view.name }}</h1><p>{{ head }}</p><progress value="{{ view.share }}"></progress>
{% if rows %}<h2>Runs</h2><table>{% for seen in rows %}<tr><td>{{ seen.stage.state }}</td>
<td>{{ seen.run.id }}</td><td>{{ seen.stage.note }}</td></tr>{% endfor %}</table>{% endif %}
{% if cells %}<h2>Lowest FID so far</h2><table><tr><th>cell</th><th>FID</th><th>seeds</th></tr>
{% for name, mean, seeds in cells %}<tr><td>{{ name }}</td><td class="n">{{ "%.4g" | format(mean) }}
</td><td class="n">{{ seeds }}</td></tr>{% endfor %}</table>{% endif %}
{% if samples %}<h2>Last samples</h2>{% for seen, picture in samples %}<figure>
<img alt="Generated samples of {{ seen.run.id }}" src="data:image/png;base64,{{ picture }}">
<figcaption>{{ seen.run.id }}{% if seen.fid is not none %}, FID {{ "%.4g" | format(seen.fid) }}
{% endif %}</figcaption></figure>{% endfor %}{% endif %}
</body></html>
"""


@app.command("watch")
def watch(
    study: StudyArgument = DEFAULT,
    cores: CoresOption = 0,
    every: Annotated[
        float, typer.Option(min=0.5, callback=finite, help="Seconds between two looks.")
    ] = 5.0,
    page: Annotated[
        bool, typer.Option("--page", help="Write a page as well: watch.html beside the results.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Watch a study: runs that train, failures, FID so far, time left; until all is done.

    It only reads, so that it may be started and ended at any time. The page has the last samples,
    and refreshes itself.
    """
    from rich.console import Console
    from rich.live import Live

    plan = expand(schema.load(study))
    watcher = watching.Watcher(plan, cores or os.cpu_count() or 1)
    path = Path(plan.study.results) / "watch.html"
    view = watcher.look()
    if page:
        write_page(path, view, plan.folder, every)
        say(str(path))
    if once:
        Console().print(table(view))
        return
    with Live(table(view), auto_refresh=False) as live:
        while not view.finished:
            time.sleep(every)
            view = watcher.look()
            live.update(table(view), refresh=True)
            if page:
                write_page(path, view, plan.folder, every)
    say(f"all runs are done; the report: {plan.study.reports}/index.html")


def heading(view: watching.View) -> str:
    """The counts of a study in one line, and the time left."""
    counts = [f"{view.counts[state]} {state}" for state in status.STATES if view.counts[state]]
    line = f"{len(view.runs)} runs: {', '.join(counts)}"
    if view.finished:
        return line
    time = status.time_left(view.seconds_left)
    return f"{line}; " + (f"time left {time}" if view.seconds_left is None else f"{time} left")


def table(view: watching.View) -> Group:
    """A study as the terminal shows it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = [
        Text(f"{view.name}: {heading(view)}"),
        Text(f"[{'#' * round(WIDTH * view.share):.<{WIDTH}}] {view.share:.0%} of all training"),
    ]
    rows = view.attention
    if rows:
        runs = Table("state", "run", "", box=None, pad_edge=False)
        for seen in rows[:LISTED]:
            note = seen.stage.note.splitlines()[0] if seen.stage.note else ""
            runs.add_row(Text(seen.stage.state), Text(seen.run.id), Text(note))
        parts.append(runs)
        if len(rows) > LISTED:
            parts.append(Text(f"and {len(rows) - LISTED} more"))
    if cells := view.cells(BEST):
        best = Table("lowest FID so far", "FID", "seeds", box=None, pad_edge=False)
        for name, mean, seeds in cells:
            best.add_row(Text(name), f"{mean:.4g}", str(seeds))
        parts.append(best)
    return Group(*parts)


def write_page(
    path: Path, view: watching.View, folder_of: Callable[[Run], Path], every: float
) -> None:
    """Write a study as a page that loads itself again.

    Args:
        path: the page.
        view: the study.
        folder_of: gives the folder of a run.
        every: seconds after which it loads itself again.
    """
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(PAGE)
    drawn = ((seen, picture(folder_of(seen.run) / "samples.npz")) for seen in view.latest(LATEST))
    text = template.render(
        view=view,
        head=heading(view),
        rows=view.attention[:LISTED],
        cells=view.cells(BEST),
        samples=[(seen, png) for seen, png in drawn if png],
        every=max(1, round(every)),
    )
    storage.write_text(path, text)


def picture(path: Path) -> str | None:
    """A run's samples as a PNG in base64, 8 by 8; None for points, or while there are none."""
    import numpy as np
    from PIL import Image

    from ganlore import arrays
    from ganlore.errors import GanloreError
    from ganlore.report.samples import sheet

    try:
        samples = arrays.read_archive(path).get("samples")
    except (GanloreError, OSError):
        return None
    if samples is None or samples.ndim != 4:
        return None
    side = min(8, int(len(samples) ** 0.5))
    drawn = sheet(samples[: side * side], columns=side, limit=64, size=64)
    data = io.BytesIO()
    pixels = np.where(drawn.filled[..., None], drawn.pixels, np.uint8(255))  # white gaps
    Image.fromarray(pixels).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()
