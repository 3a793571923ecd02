"""The studies of `configs/` as the pages describe them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ganlore.analysis import replication
from ganlore.analysis.replication import Outcome
from ganlore.docgen.catalogue import own
from ganlore.publishing import publication
from ganlore.study import paper_tables, schema
from ganlore.study.expand import expand
from ganlore.study.paper_tables import PUBLISHED, PaperTable
from ganlore.study.schema import Study


def deviating_studies(root: Path) -> dict[str, list[str]]:
    """Where the studies of `configs/` differ from the papers that they follow, by their file."""
    deviations = {
        path.relative_to(root).as_posix(): schema.read(path).get("deviations", [])
        for path in sorted((root / "configs").rglob("*.yaml"))
    }
    return {name: texts for name, texts in deviations.items() if texts}


def replications(root: Path) -> dict[str, PaperTable]:
    """The papers' tables of `configs/replications/`, by the study that replicates them."""
    folder = root / "configs" / "replications"
    studies = [path.stem for path in sorted(folder.glob("*.yaml")) if path.name != PUBLISHED]
    return {study: paper_tables.of(study, folder / PUBLISHED) for study in studies}


def replicated(root: Path) -> dict[str, list[Outcome]]:
    """What the published results of those studies have beside the papers' numbers."""
    made = {}
    for name in replications(root):
        folder = root / "results" / name
        if (folder / publication.MANIFEST).exists():
            result = publication.opened(folder)
            table = result.plan().study.replicates
            made[name] = list(replication.outcomes(result.tidy(), table)) if table else []
    return made


@dataclass(frozen=True)
class StudyFile:
    """A study of `configs/`, with the package's own plug-ins alone."""

    root: Path
    name: str

    @cached_property
    def _study(self) -> Study:
        return schema.load(self.root / "configs" / f"{self.name}.yaml")

    @cached_property
    def ids(self) -> set[str]:
        """The ids of its runs."""
        own_names = {kind: set(own(kind)) for kind in ("loss", "trick")}
        return {
            run.id
            for run in expand(self._study).runs
            if run.loss.name in own_names["loss"]
            and {trick.name for trick in run.tricks} <= own_names["trick"]
        }

    @property
    def runs(self) -> str:
        """The number of its runs."""
        return f"{len(self.ids):,}"

    @property
    def seeds(self) -> list[int]:
        """Its seeds."""
        return self._study.seeds

    @property
    def seeds_to_come(self) -> list[int]:
        """Those of its seeds that its published result does not have."""
        manifest = publication.opened(self.root / "results" / self.name).manifest
        return sorted(set(self.seeds) - set(manifest["settings"]["seeds"]))


def study(root: Path, name: str) -> StudyFile:
    """The study `configs/<name>.yaml`."""
    return StudyFile(root, name)
