"""A made-up study for all tests of the report."""

from __future__ import annotations

import pytest
import synthetic_study

from ganlore.analysis import matrices, tables
from ganlore.study.run import Plan


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return synthetic_study.make(synthetic_study.small(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="session")
def tidy(plan: Plan) -> tables.Tables:
    return tables.read(plan)


@pytest.fixture(scope="session")
def actual(plan: Plan, tidy: tables.Tables) -> list[matrices.Matrix]:
    ends = tables.finals(tidy.metrics)
    return matrices.matrices(plan, tidy, ends, tables.cells(tidy, ends))
