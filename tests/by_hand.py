"""Small studies of the ring that commands make one by one, in the working directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from tiny import TINY

FILE = "tiny.yaml"


def invoke(*words: str) -> tuple[int, str]:
    """A command's exit status, and all that it says."""
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, f"{result.output}\n{result.exception or ''}"


def ok(*words: str) -> str:
    """What a command says that ends well."""
    status, text = invoke(*words)
    assert status == 0, text
    return text


def prepared(**changes: Any) -> Plan:
    """The plan of a study, which is written to `FILE`, with its data and extractor."""
    document = schema.merge(TINY, changes)
    Path(FILE).write_text(yaml.safe_dump(document), encoding="utf-8")
    plan = expand(schema.load(FILE))
    ok("prepare", "ring", "--settings", json.dumps(plan.datasets["ring"]))
    ok("extract", "ring", "coordinates")
    return plan


def measured(plan: Plan) -> None:
    """Train and evaluate the runs."""
    for run in plan.runs:
        ok("train", run.id, "--study", FILE)
        ok("evaluate", run.id, "--study", FILE, "--keep", plan.study.keep.model_dump_json())
