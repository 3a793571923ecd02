"""The time that a workflow's jobs will still take, from those that have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ganlore import formatting

BAR = 20
"""Characters of the bar."""


@dataclass
class Remaining:
    """Jobs of a workflow: how many there are, which run, and how long each kind takes.

    Times are in seconds of one clock that never goes back.
    """

    expected: dict[str, int] = field(default_factory=dict)
    more: int = 0
    began: float = 0.0
    running: dict[int, tuple[str, float]] = field(default_factory=dict)
    ended: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def expect(self, counts: Mapping[str, int], now: float) -> None:
        """Begin, with the number of jobs of each rule."""
        self.expected, self.began = dict(counts), now

    def grow(self, total: int) -> None:
        """So many jobs there are now: a checkpoint adds some, of which the rules are not told."""
        self.more = max(total - sum(self.expected.values()), 0)

    def begin(self, job: int, rule: str, now: float) -> None:
        """A job begins."""
        self.running[job] = rule, now

    def end(self, job: int, now: float) -> None:
        """A job has ended well; one that was never begun is not counted."""
        if job in self.running:
            rule, began = self.running.pop(job)
            self.ended[rule].append(now - began)

    @property
    def done(self) -> int:
        """Jobs that have ended."""
        return sum(map(len, self.ended.values()))

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.expected.values()) + self.more

    def left(self, now: float) -> float | None:
        """Seconds to the end; None while no job has ended, or no training of those there are.

        The mean time of a rule's jobs that have ended (of all jobs, for a rule without) times its
        jobs that are left, divided by the number of jobs that were running at a time.
        """
        times = [seconds for of_rule in self.ended.values() for seconds in of_rule]
        trainings = self.expected.get("train", 0)
        if not times or now <= self.began or (trainings and not self.ended.get("train")):
            return None
        mean = sum(times) / len(times)
        work, known = 0.0, 0
        for rule, count in self.expected.items():
            of_rule = self.ended.get(rule, [])
            each = sum(of_rule) / len(of_rule) if of_rule else mean
            known += max(count - len(of_rule), 0)
            work += each * max(count - len(of_rule), 0)
        work += mean * max(self.total - self.done - known, 0)
        so_far = [now - began for _, began in self.running.values()]
        at_a_time = max((sum(times) + sum(so_far)) / (now - self.began), 1e-9)
        return max(work - sum(so_far), 0.0) / at_a_time

    def line(self, now: float) -> str:
        """A bar, jobs done of all, trainings done of all, and the time left."""
        total = self.total
        share = self.done / total if total else 1.0
        filled = round(BAR * share)
        parts = [f"[{'#' * filled}{'.' * (BAR - filled)}] {self.done} of {total} jobs"]
        if runs := self.expected.get("train"):
            of_all = "" if self.more else f" of {runs}"
            parts.append(f"{len(self.ended.get('train', []))}{of_all} runs trained")
        seconds = self.left(now)
        if self.done >= total:
            parts.append(f"done in {formatting.duration(now - self.began)}")
        elif seconds is not None:
            parts.append(f"about {formatting.duration(seconds)} left")
        return ", ".join(parts)
