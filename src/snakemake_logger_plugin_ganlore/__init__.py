"""Snakemake's progress in one line with the time left: `snakemake --logger ganlore`.

Errors, warnings and dry runs are as Snakemake writes them. Jobs that begin and end are counted and
not written: at a terminal the line is written over itself, elsewhere it comes once a minute.
"""

from __future__ import annotations

import sys
import time
from logging import INFO, LogRecord
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, get_event
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

EVERY = 60.0
"""Seconds between two lines where no terminal is written to."""

COUNTED = frozenset({LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED,
                     LogEvent.PROGRESS, LogEvent.RUN_INFO})  # fmt: skip
LEFT_OUT = frozenset({LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.SHELLCMD,
                      LogEvent.GROUP_INFO, LogEvent.RULEGRAPH})  # fmt: skip
PLAIN = ("Assuming unrestricted", "Building DAG", "Using shell", "Provided cores", "Rules claiming",
         "Select jobs", "Removing temporary output", "Provided resources",
         "Singularity containers", "host:")  # fmt: skip
"""How messages begin that say what is always so."""


class LogHandler(LogHandlerBase):
    """Writes one line of progress, and of everything else what has to be read."""

    def __post_init__(self) -> None:
        """Make Snakemake's own handler, for what is written as ever."""
        # here, since every Snakemake on this machine imports its plug-ins, beside any ganlore
        from ganlore.execution.remaining import Remaining

        settings: Any = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        self.ordinary = ColorizingTextHandler(nocolor=settings.nocolor, stream=self.stream)
        self.ordinary.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self.ordinary.addFilter(
            DefaultFilter(
                settings.quiet,
                settings.debug_dag,
                settings.verbose,
                settings.dryrun,
                settings.printshellcmds,
            )
        )
        self.as_ever = settings.dryrun or settings.verbose or settings.printshellcmds
        self.remaining = Remaining()
        self.written_at = -EVERY
        self.pending = False

    def emit(self, record: LogRecord) -> None:
        """Count a job, or write what Snakemake says."""
        event = get_event(record)
        if not self.as_ever:
            if event in COUNTED:
                self.count(event, record.__dict__)
                return
            message = str(record.msg or "").strip()
            routine = event is None and record.levelno <= INFO and message.startswith(PLAIN)
            if event in LEFT_OUT or routine or not message:
                return
        self.end_line()
        self.ordinary.handle(record)

    def count(self, event: LogEvent, values: dict[str, Any]) -> None:
        """Take note of jobs that begin and end; write the line when it is time."""
        now = time.monotonic()
        if event == LogEvent.RUN_INFO:
            self.remaining.expect({k: n for k, n in values["stats"].items() if k != "total"}, now)
        elif event == LogEvent.JOB_INFO:
            self.remaining.begin(values["jobid"], values["rule_name"], now)
        elif event == LogEvent.JOB_FINISHED:
            self.remaining.end(values["job_id"], now)
        elif event == LogEvent.PROGRESS:
            self.remaining.grow(values["total"])
            self.write(self.remaining.line(now), now, values["done"] >= values["total"])

    def write(self, line: str, now: float, last: bool) -> None:
        """Write the line over the one before at a terminal, elsewhere where a minute has gone."""
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[K{line}")
            self.pending = True
            if last:
                self.end_line()
        elif last or now - self.written_at >= EVERY:
            self.stream.write(f"{line}\n")
            self.written_at = now
        self.stream.flush()

    def end_line(self) -> None:
        """Leave the line of progress as it stands."""
        if self.pending:
            self.stream.write("\n")
            self.pending = False

    @property
    def writes_to_stream(self) -> bool:
        """It takes the place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log has everything."""
        return False

    @property
    def has_filter(self) -> bool:
        """It decides by itself what to write."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It writes by itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The graph is not needed."""
        return False
