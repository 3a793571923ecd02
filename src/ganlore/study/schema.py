"""A study: the axes, the budget, the protocol. One YAML file, checked before anything runs.

These models are the one source: the JSON schema for editors and for Snakemake is made from them
(`ganlore schema`), and `expand` turns a study into its list of runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator

from ganlore.errors import GanloreError
from ganlore.settings import (
    Budget,
    Folder,
    Fraction,
    Model,
    Name,
    NonNegativeInt,
    Optimizer,
    PositiveFloat,
    Share,
    Threads,
    UpToMillion,
)  # fmt: skip
from ganlore.study import documents, paper_tables
from ganlore.study.claims import Claims
from ganlore.study.explain import explain, refuse_nul
from ganlore.study.keep import Beside, Keep
from ganlore.study.paper_tables import PaperTable
from ganlore.study.protocol import Protocol
from ganlore.study.space import Range, Search

Names = Literal["all"] | list[str]
TrickNames = Literal["all"] | list[str | list[str]]
Asked = Annotated[str, Field(pattern=r"^C[0-9]{2,3}(/[0-9]+)?$")]


class Training(Model):
    """How every run of a study is trained; equal for all cells."""

    budget: Budget = Field(100_000, description="Real images shown to the discriminator in a run.")
    batch: UpToMillion = Field(64, description="Real images in a discriminator step.")
    latent: UpToMillion = Field(64, description="Dimensions of the generator's noise.")
    policy: Literal["shared", "published", "searched"] = Field(
        "shared",
        description="shared: the study's optimizer for every loss. published: each loss's own, and "
        "what losses and tricks declare as published. What belongs to a loss's definition "
        "(n_critic, penalty weight, clip) is its own in both. searched: what a search has chosen "
        "for each cell (`search`).",
    )
    optimizer: Optimizer = Field(
        Optimizer(), description="The optimisers of all losses under the policy `shared`."
    )
    snapshots: UpToMillion = Field(
        8, description="Generators kept, evenly spaced over the budget; the last is the end."
    )
    history: UpToMillion = Field(100, description="Rows in a run's history, evenly spaced.")
    order: Literal["discriminator-first", "generator-first"] = Field(
        "discriminator-first",
        description="Whose turn comes first in a step. generator-first: the discriminator then "
        "judges the very samples that the generator has just learned from.",
    )
    discriminator_scale: PositiveFloat = Field(
        1.0,
        description="A factor on all of the discriminator's loss; 0.5 makes a sum of two halves "
        "their mean.",
    )
    divergence: PositiveFloat = Field(
        1e6, description="A loss beyond this (or not finite) ends the run as diverged."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to train; auto takes a GPU when there is one."
    )
    threads: Threads = Field(
        1, description="CPU threads of a run. More than one changes the last bits of results."
    )
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32",
        description="Arithmetic of the networks. tf32: products of single precision by a GPU's "
        "tensor cores, with 10 bits of mantissa. bf16: generator and discriminator under autocast. "
        "Weights, optimisers, losses, and what is differentiated twice stay fp32.",
    )
    channels_last: bool = Field(
        False,
        description="Keep images and the weights of convolutions in the order N H W C, in which "
        "convolutions are faster; the last digits of results change.",
    )
    flip: bool = Field(
        False,
        description="Mirror half of the real images left to right, keyed by seed and step; for "
        "data sets whose mirrored samples are as good.",
    )
    corrupted: Fraction = Field(
        0.0,
        description="The share of training samples, the same for all cells of a seed, that are "
        "replaced by uniform noise over the data's range: outliers.",
    )
    subset: Share = Field(
        1.0,
        description="The share of the training split that a run learns from, which each seed draws "
        "for itself, the same for all cells: below 1 seeds differ in their data as well.",
    )
    freeze_generator: Fraction | None = Field(
        None,
        description="The share of the budget from which the generator is no longer updated, while "
        "the discriminator goes on to its optimum; its gradient is still computed and recorded.",
    )
    deterministic: bool = Field(
        False,
        description="Use a GPU's deterministic kernels alone, which are slower: a run that goes on "
        "after it was killed comes to the same bits. On a CPU it does anyway.",
    )

    capture: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether steps are captured and replayed, in CUDA graphs or as a list of "
        "kernels, which is faster and gives the same numbers. auto: where a step can be. on: else "
        "it is an error.",
    )

    @property
    def steps(self) -> int:
        """Discriminator steps: the budget in batches."""
        return self.budget // self.batch


class StudyTraining(Training):
    """How a study trains its runs, with what is no part of a run: it changes no number."""

    tensorboard: bool = Field(
        False,
        description="Write events for TensorBoard, beside the results: each run's history, metrics "
        "and samples. Nothing is trained again for it.",
    )

    @property
    def of_runs(self) -> Training:
        """What decides a run."""
        return Training(**{name: getattr(self, name) for name in Training.model_fields})


class Overrides(Model):
    """Changed settings, by plug-in."""

    losses: dict[str, dict[str, Any]] = {}
    tricks: dict[str, dict[str, Any]] = {}
    networks: dict[str, dict[str, Any]] = {}
    datasets: dict[str, dict[str, Any]] = {}


class Variant(Overrides):
    """A named set of changed settings, of plug-ins and of the training."""

    training: dict[str, Any] = {}
    draw: dict[str, Range] = Field(
        {},
        description="What each seed draws for itself, the same for all cells: lr, ratio, beta1, "
        "settings of losses by their name, and of networks as network.<name>, as in search.space.",
    )


VariantName = Annotated[Name, Field(pattern=r"^[a-z0-9][a-zA-Z0-9_.,:=-]*$")]


class Exclusion(Model):
    """Cells that a study leaves out: those that match every name given here."""

    dataset: str | None = None
    network: str | None = None
    loss: str | None = None
    trick: str | None = None
    variant: str | None = None
    reason: str = Field(min_length=1, description="Shown in the report in place of the cell.")


class Grid(Model):
    """A product of axes: every data set x network x loss x trick x variant x seed."""

    datasets: list[str] = Field(min_length=1)
    networks: list[str] = Field(min_length=1)
    losses: Names = "all"
    tricks: TrickNames = "all"
    variants: list[str] = Field(["base"], min_length=1)
    training: dict[str, Any] = Field({}, description="Changes to the study's training.")
    protocol: dict[str, Any] = Field({}, description="Changes to the study's protocol.")


def _no_truth_value(value: Any) -> Any:
    """YAML's `true` would pass as 1; `snakemake --config` gives numbers as text, which is fine."""
    if isinstance(value, bool):
        raise ValueError("expected a whole number from 0 up")
    return value


Seed = Annotated[NonNegativeInt, BeforeValidator(_no_truth_value)]


class Study(Model):
    """A study file.

    Paths are relative to the working directory.
    """

    name: Name = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Lower case, with hyphens.")
    title: str = ""
    deviations: list[str] = Field(
        [], description="Where the study differs from the paper that it follows, in sentences."
    )
    extends: str | None = Field(
        None, description="Another study file, in the same folder, whose keys this one changes."
    )
    data: Folder = Field("data", description="Folder of prepared data, extractors and features.")
    results: Folder = Field("results", description="Folder of runs and tables.")
    reports: Folder = Field("reports", description="Folder of the report, figures and tables.")
    seeds: Annotated[list[Seed], Field(min_length=1)]
    training: StudyTraining = StudyTraining()
    protocol: Protocol = Protocol()
    keep: Keep = Keep()
    settings: Overrides = Overrides()
    variants: dict[VariantName, Variant] = {}
    grids: list[Grid] = Field(min_length=1)
    exclude: list[Exclusion] = []
    search: Search | None = Field(
        None, description="What the policy `searched` draws from, and how it chooses."
    )
    replicates: PaperTable | None = Field(
        None,
        description="A paper's table that the study's numbers are put beside; in a study file the "
        "name of a file of tables in the same folder, which has one under the study's name.",
    )
    claims: Claims | None = Field(
        None,
        description="A file of claims in the same folder: the cells that they need join the grids, "
        "and the report gives verdicts.",
    )
    ask: Literal["all"] | Annotated[list[Asked], Field(min_length=1)] = Field(
        "all",
        description="The claims whose cells join the grids, as do those of all controls; C14/1 is "
        "the first test of C14 alone. Others are judged by the runs that are there, and not tested "
        "where one is lacking.",
    )

    @property
    def beside(self) -> Beside:
        """What jobs write beside the files of their run."""
        return Beside(tensorboard=self.training.tensorboard, states=self.keep.states == "all")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed is named twice")
        return seeds


def read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A study file as written, what it extends included.

    Args:
        path: the file.
        below: the files that extend it, for telling a circle.

    Raises:
        GanloreError: if the file is missing, is not a mapping in YAML 1.2, or extends itself.
    """
    if path in below:
        circle = " -> ".join(str(p) for p in (*below, path))
        raise GanloreError(f"{path}: studies extend each other in a circle: {circle}")
    try:
        document = documents.read(path)
    except FileNotFoundError:
        studies = [*path.parent.glob("*.yaml"), *Path("configs").glob("*.yaml")]
        near = ", ".join(sorted({str(p) for p in studies}))
        raise GanloreError(f"{path}: no such study file\n  there are: {near or '(none)'}") from None
    if not isinstance(document, dict):
        raise GanloreError(f"{path}: expected a mapping of keys, found {type(document).__name__}")
    document = with_claims(document, path.parent)
    if isinstance(named := document.get("replicates"), str):
        table = paper_tables.of(str(document.get("name")), path.parent / named)
        document = document | {"replicates": table.model_dump(mode="json")}
    if base := document.get("extends"):
        document = merge(read(path.parent / str(base), (*below, path)), document)
    checked: dict[str, Any] = document
    return checked


def with_claims(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A study with its claims in place of their file's name.

    Args:
        document: the study as written.
        folder: where its file is.
    """
    named = document.get("claims")
    return document | {"claims": read(folder / named)} if isinstance(named, str) else document


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `change`; mappings are merged, lists and values replaced."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


def load(source: str | Path, overrides: dict[str, Any] | None = None) -> Study:
    """A checked study, from a file or from the study itself as JSON.

    Args:
        source: a path, or JSON text (it begins with a brace), as the Snakefile hands it to jobs.
        overrides: keys put over the file's, as `snakemake --config` gives them.
    """
    text = str(source)
    if not text.strip():
        raise GanloreError("name a study's file, for example configs/smoke.yaml")
    inline = text.lstrip().startswith("{")
    document = documents.parse_json(text, "study") if inline else read(Path(text))
    return parse(merge(document, overrides or {}), "study" if inline else text)


def parse(document: dict[str, Any], where: str) -> Study:
    """Check a study's keys and values.

    Raises:
        GanloreError: naming each key, its value, what is allowed and the nearest name.
    """
    refuse_nul(document, where)
    try:
        return Study.model_validate(document)
    except ValidationError as error:
        raise explain(error, Study, where) from None


def schema() -> dict[str, Any]:
    """The JSON schema of a study file."""
    keys = TypeAdapter(Study).json_schema()
    for key in ("claims", "replicates"):
        keys["properties"][key]["anyOf"].append({"type": "string"})  # the name of their file
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **keys}
