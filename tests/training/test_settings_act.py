"""Every setting of every loss and trick changes a short run, or says when it has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from ganlore.settings import Optimizer
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from tiny import equal, tiny_run

SHORT = {"budget": 16 * 20, "snapshots": 1, "history": 1}
PLURALS = {"loss": "losses", "trick": "tricks"}


def candidates(kind: str, name: str, setting: str) -> list[Any]:
    """Other values of a setting that the plug-in accepts: smaller and larger, or the opposite."""
    declared = registry.declaration(kind, name)
    default = declared.model.model_fields[setting].default
    if isinstance(default, Optimizer):
        # not by 2: the study's own rate, in place of the published one, is twice that of some
        return [{"lr": default.lr / 3}, {"lr": default.lr * 3}]
    if isinstance(default, bool):
        return [not default]
    if default is None:
        options = [0.3, 0.7, 3]
    elif isinstance(default, int):
        options = [default // 2, default * 2] if default else [1, 10]
    else:
        options = [default / 2, default * 2, (1 + default) / 2] if default else [0.5]
    accepted = []
    for option in options:
        if option == default or (setting != "n_critic" and option == 0):
            continue
        try:
            declared.settings({setting: option})
        except Exception:
            continue
        accepted.append(option)
    return accepted[:2]


def cases() -> list[tuple[str, str, str]]:
    return [
        (kind, name, setting)
        for kind in PLURALS
        for name in registry.find(kind)
        for setting in registry.declaration(kind, name).model.model_fields
    ]


def outcome(trained, kind: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The networks and the evaluated generator of a short run with some settings."""
    changes = {"training": SHORT, "settings": {PLURALS[kind]: {name: settings}}}
    axes = {"loss": name} if kind == "loss" else {"trick": name}
    points = why_not("digits", "dcgan", axes.get("loss"), (axes.get("trick", "none"),)) is not None
    run = tiny_run("ring" if points else "digits", **axes, **changes)
    saved = trained(run)[1]
    return {"networks": saved["networks"], "snapshots": saved["snapshots"]}


@pytest.mark.parametrize("kind, name, setting", cases())
def test_a_changed_setting_changes_the_run_or_is_declared(trained, kind, name, setting) -> None:
    options = candidates(kind, name, setting)
    assert options, "no other value of the setting is allowed"
    plain = outcome(trained, kind, name, {})
    inert = [v for v in options if equal(outcome(trained, kind, name, {setting: v}), plain)]
    when = registry.declaration(kind, name).fact("no_effect", {}).get(setting)
    assert not inert or when, f"{name}: {setting} = {inert} changes nothing, and nothing says when"


def test_what_is_declared_of_settings_names_settings() -> None:
    for kind in PLURALS:
        for name in registry.find(kind):
            declared = registry.declaration(kind, name)
            fields = set(declared.model.model_fields)
            assert set(declared.fact("no_effect", {})) <= fields, name
            for setting, other in declared.fact("acts_unless", {}).items():
                assert {setting, other} <= fields, name
            for setting, (unit, *names) in declared.fact("acts_after", {}).items():
                assert {setting, *names} <= fields and unit in ("images", "steps"), name
