"""Which settings that a study changes cannot act in its runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from ganlore.study import registry
from ganlore.study.run import Plan, PlugIn, Run


def warnings(plan: Plan) -> list[str]:
    """A line for each setting that is not at its default and has no effect in a run of the plan.

    From what plug-ins declare: `acts_unless` and `acts_after`.
    """
    lines: dict[str, None] = {}
    for run in plan.runs:
        for kind, plugin in [("loss", run.loss), *(("trick", part) for part in run.applied)]:
            lines |= dict.fromkeys(_of_plugin(run, kind, plugin))
    return list(lines)


def _of_plugin(run: Run, kind: str, plugin: PlugIn) -> Iterator[str]:
    declared = registry.declaration(kind, plugin.name)
    replaced, after = declared.fact("acts_unless", {}), declared.fact("acts_after", {})
    if not replaced and not after:
        return
    defaults = declared.settings({})
    for setting, value in plugin.settings.items():
        if value == defaults.get(setting):
            continue
        text = f"{plugin.name}: {setting} = {value} has no effect"
        other = replaced.get(setting)
        if other is not None and plugin.settings[other] is not None:
            yield f"{text}, since {other} = {plugin.settings[other]} takes its place"
        elif setting in after:
            unit, *names = after[setting]
            needed, made = _needed(plugin, names), _made(run, unit)
            if needed >= made:
                yield (
                    f"{text} in the {run.variant} runs of {run.loss.name} on {run.dataset.name}: "
                    f"it acts after {needed:,.0f} {unit} of the generator, which makes {made:,}; "
                    "raise training.budget or change it"
                )


def _needed(plugin: PlugIn, names: list[str]) -> float:
    """The quotient of one or two settings; 0 without the divisor: then it acts at once."""
    values = [plugin.settings[name] for name in names]
    if None in values:
        return 0.0
    return float(values[0] / values[1]) if len(values) == 2 else float(values[0])


def _made(run: Run, unit: str) -> int:
    """What the generator makes in a run, in steps or images, with the loss's own n_critic."""
    steps = run.training.steps // int(run.loss.settings["n_critic"])
    return steps * run.training.batch if unit == "images" else steps
