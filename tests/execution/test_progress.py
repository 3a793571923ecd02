"""A workflow's progress: one line with the time left, in place of a block for each job."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_ganlore as plugin
from ganlore.execution.remaining import Remaining
from tiny import REPOSITORY


def half_done() -> Remaining:
    """Two jobs at a time: after 20 s two of four trainings of 10 s, and two of four evaluations."""
    remaining = Remaining()
    remaining.expect({"train": 4, "evaluate": 4, "report": 1}, 100.0)
    for job, (rule, began, ended) in enumerate(
        [("train", 100, 115), ("train", 100, 115), ("evaluate", 115, 120), ("evaluate", 115, 120)]
    ):
        remaining.begin(job, rule, began)
        remaining.end(job, ended)
    return remaining


def test_the_time_left_is_that_of_the_jobs_left() -> None:
    remaining = half_done()
    # two trainings of 15 s, two evaluations of 5 s, a report of the mean 10 s; two at a time
    assert remaining.left(120.0) == pytest.approx((2 * 15 + 2 * 5 + 10) / 2)
    remaining.begin(7, "train", 120.0)
    remaining.begin(8, "train", 120.0)
    # what runs already has done a part: 10 s of two trainings
    assert remaining.left(125.0) == pytest.approx((50 - 10) / 2)


def test_no_time_is_invented() -> None:
    remaining = Remaining()
    remaining.expect({"train": 4}, 0.0)
    remaining.begin(1, "train", 0.0)
    assert remaining.left(50.0) is None and "left" not in remaining.line(50.0)
    remaining.begin(2, "prepare", 0.0)
    remaining.end(2, 50.0)  # which says nothing of a training
    assert remaining.left(51.0) is None
    remaining.end(1, 60.0)
    assert remaining.left(61.0) is not None


def test_the_line_says_jobs_runs_and_time() -> None:
    line = half_done().line(120.0)
    assert line.startswith("[#########...........] 4 of 9 jobs, 2 of 4 runs trained, about 25 s")


def test_jobs_that_a_checkpoint_adds_are_counted() -> None:
    """Fourteen jobs of which nine had been told: five more of the mean 10 s, two at a time."""
    remaining = half_done()
    remaining.grow(14)
    assert remaining.left(120.0) == pytest.approx((2 * 15 + 2 * 5 + 10 + 5 * 10) / 2)
    line = remaining.line(120.0)
    assert line.startswith("[######..............] 4 of 14 jobs, 2 runs trained, about 50 s")
    remaining.grow(9)
    assert "4 of 9 jobs, 2 of 4 runs" in remaining.line(120.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def handler(stream: io.StringIO, **settings: object) -> plugin.LogHandler:
    common = {"nocolor": True, "stdout": False, "quiet": None, "show_failed_logs": False,
              "debug_dag": False, "verbose": False, "dryrun": False, "printshellcmds": False}  # fmt: skip
    made = plugin.LogHandler(SimpleNamespace(**common | settings), None)
    made.stream = stream
    made.ordinary.setStream(stream)
    return made


def record(message: str = "", level: int = logging.INFO, **values: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelno": level, "levelname": "INFO"})
    made.__dict__.update(values)
    return made


def study(to: plugin.LogHandler, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs of half a minute go by, one after the other."""
    clock = [0.0]
    monkeypatch.setattr(plugin.time, "monotonic", lambda: clock[0])
    to.handle(record("Job stats", event=LogEvent.RUN_INFO, stats={"train": runs, "total": runs}))
    for job in range(runs):
        info = {"jobid": job, "rule_name": "train"}
        to.handle(record("rule train:", event=LogEvent.JOB_INFO, **info))
        clock[0] += 30
        to.handle(record("Finished", event=LogEvent.JOB_FINISHED, job_id=job))
        to.handle(record("", event=LogEvent.PROGRESS, done=job + 1, total=runs))


def test_a_file_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    study(handler(stream), 10, monkeypatch)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6  # after 0.5, 1.5, ... 4.5 minutes, and the end
    assert "1 of 10 jobs" in lines[0] and "about 4 minutes left" in lines[0]
    assert "10 of 10 jobs" in lines[-1] and "done in 5 minutes" in lines[-1]


def test_a_terminal_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    study(handler(stream), 10, monkeypatch)
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().count("\r") == 10


def test_what_has_to_be_read_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    to = handler(stream)
    study(to, 2, monkeypatch)
    to.handle(record("Using shell: /bin/bash"))
    to.handle(record("Nothing to be done (all requested files are present and up to date)."))
    to.handle(record("a warning", logging.WARNING))
    to.handle(record("it failed", logging.ERROR, event=LogEvent.ERROR))
    text = stream.getvalue()
    for words in ("Nothing to be done", "a warning", "it failed"):
        assert f"{words}" in text
    assert "Using shell" not in text


def test_a_dry_run_is_snakemakes_own() -> None:
    stream = io.StringIO()
    to = handler(stream, dryrun=True)
    to.handle(record("Job stats: 4", event=LogEvent.RUN_INFO, stats={"train": 4}))
    assert stream.getvalue() == "Job stats: 4\n"


def test_the_profile_asks_for_it() -> None:
    profile = Path(REPOSITORY, "profiles/default/profile.yaml").read_text(encoding="utf-8")
    assert "logger: [ganlore]" in profile
