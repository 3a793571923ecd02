"""The building blocks of losses and tricks: steps, the training state, schedules, penalties."""

from __future__ import annotations

from ganlore.steps.schedule import Moment, Schedule
from ganlore.steps.state import TrainState
from ganlore.steps.step import Step

__all__ = ["Moment", "Schedule", "Step", "TrainState"]
