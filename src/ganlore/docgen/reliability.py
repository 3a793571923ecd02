"""Counts of the campaigns for the page on reliability, from `docs/reliability.json`.

`tests/campaigns/` writes that file: for each campaign its counts, its first failures, and under
`measured` the commit, the machine and the versions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.docgen import performance
from ganlore.errors import unknown

FILE = Path("docs") / "reliability.json"
CAMPAIGNS = ("kills", "damage", "fuzz", "mutations")


def campaign(root: Path, name: str) -> dict[str, Any] | None:
    """A campaign's counts and failures with what it was `made_with`; None where it has not run.

    Raises:
        GanloreError: for an unknown campaign, or a damaged file.
    """
    if name not in CAMPAIGNS:
        raise unknown("campaign", name, CAMPAIGNS)
    if not (root / FILE).exists():
        return None
    sections = storage.read_json(root / FILE, f"python tests/campaigns/{name}.py")
    if name not in sections:
        return None
    section: dict[str, Any] = sections[name]
    return section | performance.provenance(section["measured"])
