"""Claims: what people say of GAN training, each made into tests before anything runs.

`configs/claims.yaml` holds them. A study that names that file (`claims: claims.yaml`) trains the
cells that they need, each once, and its report gives a verdict on each. These models are the file's
schema; `analysis.claims` computes what they name. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ganlore.settings import Fraction, Model, NonNegativeFloat
from ganlore.study.claim_gates import GATED, SETTLED, Gated, Gates, Take

PLURAL = {"dataset": "datasets", "network": "networks", "loss": "losses", "trick": "tricks",
          "variant": "variants"}  # fmt: skip
"""The keys of lists and settings in a study, by what is in them."""

Input = Literal["two halves", "one class", "noise"]
"""Real data in disguise (`evaluation.controls`)."""

Unit = Literal["seed", "loss", "dataset"]
Axis = Literal["dataset", "network", "loss", "trick", "variant"]
Names = Literal["all"] | Annotated[list[str], Field(min_length=1)]
TrickNames = Literal["all"] | Annotated[list[str | list[str]], Field(min_length=1)]

ID = r"^C[0-9]{2,3}$"
CONTROL = r"^[PN][0-9]{2,3}$"

FEW_MODES = 0.5
"""A generator with at most this share of the modes has collapsed,"""

NO_PRECISION = 0.05
"""and so has one with less precision than this."""


class Cells(Model):
    """The cells of one side: every data set x network x loss x trick x variant named here.

    A loss that is another one under another name (`Loss.equal_to`) is not among `all` of them.
    """

    datasets: Annotated[list[str], Field(min_length=1)] = ["digits"]
    networks: Annotated[list[str], Field(min_length=1)] = ["mlp"]
    losses: Literal["all"] | list[str] = []
    tricks: TrickNames = ["none"]
    variants: Annotated[list[str], Field(min_length=1)] = ["base"]


class Test(Model):
    """One measurement that would show a claim, with the size of effect that would matter."""

    take: Take = Field(
        description="What is taken of each run. end: a metric at the last snapshot. best: at the "
        "snapshot of lowest FID, which is what 1711.10337 reports. average: its mean over the "
        "second half of the snapshots. unsteadiness: the standard deviation of its logarithm about "
        "a straight line over the last third. decline: the logarithm of its end over its best. "
        "failed: 1 where a run diverged or collapsed (at most "
        f"{FEW_MODES:g} of the modes, or a precision below {NO_PRECISION:g}), else 0. "
        "far-from-best: 1 where its best is worse than `factor` times the best of all the test's "
        "runs of the same loss (`among: loss`) or of all its runs (`among: all`), else 0. "
        "tracking: Spearman's correlation of a column of the history with the metric `along` "
        "over the snapshots after `since`, both less their straight lines. stopping: the "
        "logarithm of `along` at the snapshot after `since` where the column is lowest, over its "
        "best. "
        "time-to: the share of the budget until a metric is at `target` or better, or without one "
        "as good as the control's median run at its end, 1 for one that never is. late: the mean "
        "of a column of the history over the last third, the geometric one on the scale log. "
        "at-best: a column at the snapshot of lowest FID. cost: step_ms, step_gflop or "
        "step_memory_mb of cells whose steps are timed in turn, in one process with nothing beside "
        "it; nothing is trained. hopping: the mean "
        "movement of modes between successive snapshots of a generator that has covered more than "
        "half of them before and covers, by the shares of all samples, at most half of them. "
        "real-data: a metric of real data in disguise, `input`: no loss, and nothing is trained."
    )
    of: str = Field("", description="The metric, the column of the history, or the cost.")
    along: str = Field("fid", description="tracking: the metric that is to be followed.")
    extractor: str | None = Field(None, description="Of a metric; none means the data set's first.")
    input: Input | None = Field(
        None,
        description="real-data: what stands in place of generated samples, ten times. two halves: "
        "a random half of the reference, against the other. one class: held-out data of one class, "
        "another one each time. noise: uniform noise.",
    )
    relative_to_floor: bool = Field(
        False, description="real-data: as a multiple of what held-out real data get (floor.csv)."
    )
    scale: Literal["value", "log"] = Field(
        "value", description="log: differences of logarithms, shown as ratios."
    )
    absolute: bool = Field(False, description="Take the absolute value of it first.")
    distance_from: float | None = Field(None, description="Take its distance from this first.")
    claimed: Literal["lower", "higher"] = Field(
        description="How the treatment is said to differ from the control, or from the constant."
    )
    margin: NonNegativeFloat = Field(
        description="The smallest effect of interest; on the scale log, 0.05 is about 5 %."
    )
    margin_reason: str = Field("", description="Why effects smaller than this do not matter.")
    treatment: Cells
    control: Cells | None = None
    target: float | None = Field(None, description="time-to: the value to be reached.")
    axis: Literal["discriminator", "generator"] = Field(
        "discriminator",
        description="time-to: the steps that are counted, as a share of the longest budget among "
        "the test's runs in steps of the discriminator.",
    )
    since: Fraction = Field(0.0, description="tracking, stopping: the share of the budget before.")
    factor: float = Field(2.0, gt=1, description="far-from-best: how many times the best is far.")
    among: Literal["loss", "all"] = Field("loss", description="far-from-best: whose best.")
    not_worse: bool = Field(
        False,
        description="Non-inferiority: it holds if the effect is above minus the margin.",
    )
    constant: float | None = Field(None, description="What it is compared with without a control.")
    match: list[Axis] = Field(
        [], description="Compare like with like along these axes; all that both sides have count."
    )
    relative_to: dict[Axis, str] = Field(
        {}, description="Take each cell's value less that of the cell with these names in place."
    )
    combine: Literal["mean", "spread", "agreement"] = Field(
        "mean",
        description="How a seed's cells become one number. mean: of groups of equal `match`. "
        "spread: the mean over losses of the standard deviation over their other cells. agreement: "
        "Kendall's tau of the losses' ranking between data sets, against that between seeds.",
    )

    halves: bool = Field(
        False,
        description="Compare the first half of the seeds, as the treatment's, with the second, as "
        "the control's, one by one: a cell against itself under other seeds.",
    )
    converged: Gated | Literal["never"] | None = Field(
        None,
        description="Whether its cells must have converged, before it has a verdict: `gates` says "
        "what that is. best: by the best value so far, for what is taken of the best. plateau: a "
        "cell that has passed its best counts too, for what happens afterwards. Left out: true of "
        "the end and the average of a metric, best of best, far-from-best and at-best, plateau of "
        "decline and stopping, false of all else. never: its cells do not converge, by their "
        "making, and are not counted among those that have or have not.",
    )
    converged_by: str = Field("fid", description="The metric that must have converged.")
    settled: str = Field(
        "",
        description="A column of the history that must have come to rest in the control's cells: "
        f"over the last quarter of the budget within {SETTLED:g} of the quarter before.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Test:
        if self.combine == "agreement":
            if self.control is not None or self.constant is not None:
                raise ValueError("agreement compares a ranking with itself: leave the control out")
            if len(self.treatment.datasets) < 2:
                raise ValueError("agreement needs two data sets or more in the treatment")
        elif (self.control is None) == (self.constant is None):
            raise ValueError("give either a control or a constant")
        if self.take not in {"failed", "hopping"} and not self.of:
            raise ValueError(f"{self.take} needs `of`: a metric, a column or a cost")
        self._fits_data()
        if self.halves and (self.control is None or self.combine == "agreement"):
            raise ValueError("halves needs a control, whose seeds are the other half")
        if self.take == "time-to" and self.control is None and self.target is None:
            raise ValueError("time-to needs a target, or a control, whose median run sets it")
        if self.not_worse and not self.margin:
            raise ValueError("not_worse needs a margin: how much worse is as good")
        return self

    def _fits_data(self) -> None:
        """Real data have no loss, and nothing else has a disguise."""
        if self.take == "real-data":
            if self.input is None or self.constant is None:
                raise ValueError("real-data needs `input`, and a constant to be compared with")
            if self.treatment != Cells(datasets=self.treatment.datasets) or self.relative_to:
                raise ValueError("real-data is of data sets: leave all else out of the treatment")
            if self.converged:
                raise ValueError("real-data: real data do not converge: leave `converged` out")
        elif self.input is not None or self.relative_to_floor:
            raise ValueError("`input` and `relative_to_floor` are of real-data")
        elif not all(cells.losses for cells in (self.treatment, self.control) if cells):
            raise ValueError("name the losses of treatment and control")

    @property
    def datasets(self) -> list[str]:
        """The data sets of both sides."""
        return [name for _, cells in self.sides for name in cells.datasets]

    @property
    def trains(self) -> bool:
        """Whether it needs the runs of its cells."""
        return self.take not in {"cost", "real-data"}

    @property
    def turned(self) -> bool:
        """Whether it is of a distance or a size, which no metric's direction is that of."""
        return self.absolute or self.distance_from is not None

    @property
    def gated(self) -> Gated:
        """`converged`, with what it is where it is left out."""
        if self.converged == "never":
            return False
        return GATED.get(self.take, False) if self.converged is None else self.converged

    @property
    def ratios(self) -> bool:
        """Whether its effects are differences of logarithms, which a reader takes as ratios."""
        return self.scale == "log" or self.take in ("decline", "stopping")

    @property
    def sides(self) -> Iterator[tuple[str, Cells]]:
        """The named selections of cells, those that `relative_to` asks for included."""
        for name, cells in (("treatment", self.treatment), ("control", self.control)):
            if cells is not None:
                yield name, cells
                if self.relative_to:
                    changed = {PLURAL[axis]: [value] for axis, value in self.relative_to.items()}
                    yield f"{name}, relative_to", cells.model_copy(update=changed)


class Claim(Model):
    """A sentence of an article, and what would show it."""

    statement: str = Field(min_length=1)
    articles: Annotated[list[str], Field(min_length=1)]
    unit: Unit = Field(
        "seed",
        description="What is counted as one observation. seed: a seed's mean over the cells. loss "
        "or dataset: the mean over seeds of one of them, for what is said over all of them; they "
        "are combined by random effects.",
    )
    tests: Annotated[list[Test], Field(min_length=1)]
    why: str = Field("", description="Why these tests show what the article says, in a sentence.")
    literature: str = Field(
        "", description="What the literature found, with the arXiv id of the paper before a colon."
    )
    note: str = Field("", description="What the definition leaves out, and why.")
    of: int | None = Field(
        None, description="How many tests it has where a study asks some of them: set by `ask`."
    )
    elsewhere: str = Field("", description="The study that can test it better, and why.")

    @model_validator(mode="after")
    def _units(self) -> Claim:
        if self.unit != "seed":
            for index, test in enumerate(self.tests):
                if test.halves:
                    raise ValueError(f"tests.{index}: halves are of seeds: unit seed")
                if test.combine != "mean":
                    raise ValueError(f"tests.{index}: {test.combine} is of seeds: unit seed")
                if test.control is not None and self.unit not in test.match:
                    raise ValueError(
                        f"tests.{index}: with unit {self.unit} each {self.unit} is compared with "
                        f"itself: add {self.unit} to match"
                    )
        return self


class Control(Claim):
    """What must be seen, or must not, before any claim on its data is given a verdict.

    A positive control (P01) is an effect that is known: it must hold. A negative one (N01) has no
    effect, by its making: it must neither hold nor be contradicted. One that was not seen, for its
    gate is shut, is not as it must be.
    """

    articles: list[str] = []
    gates: list[str] = Field(
        [],
        description="The data sets whose claims it stands before; left out: those of its tests.",
    )


class Article(Model):
    """Where a claim comes from."""

    language: str = Field(min_length=1)
    about: str = Field(min_length=1, description="What it is about, as the end of a sentence.")


class Claims(Model):
    """The file of claims."""

    alpha: float = Field(0.05, gt=0, lt=1, description="The error rate of the whole family.")
    gates: Gates = Gates()
    articles: dict[str, Article] = {}
    sets: dict[str, list[str]] = Field({}, description="Lists to refer to by YAML's anchors.")
    reasons: dict[str, str] = Field({}, description="Reasons of margins, to refer to likewise.")
    controls: dict[Annotated[str, Field(pattern=CONTROL)], Control] = Field(
        {}, description="P01 and so on must hold, N01 and so on must not, nor be contradicted."
    )
    claims: dict[Annotated[str, Field(pattern=ID)], Claim]

    @field_validator("controls")
    @classmethod
    def _ordered(cls, controls: dict[str, Control]) -> dict[str, Control]:
        """Positive ones first."""
        return dict(sorted(controls.items(), key=lambda item: (item[0][0] == "N", item[0])))

    @field_validator("claims")
    @classmethod
    def _any(cls, claims: dict[str, Claim]) -> dict[str, Claim]:
        if not claims:
            raise ValueError("expected at least one claim")
        return dict(sorted(claims.items()))

    @model_validator(mode="after")
    def _sources(self) -> Claims:
        for name, claim in self.everything.items():
            if strangers := set(claim.articles) - set(self.articles):
                raise ValueError(
                    f"{name}: articles {sorted(strangers)} are not among {sorted(self.articles)}"
                )
        return self

    @property
    def families(self) -> list[dict[str, Claim]]:
        """What is corrected together: positive controls, negative ones, and claims."""
        families: list[dict[str, Claim]] = [
            {name: control for name, control in self.controls.items() if name[0] == kind}
            for kind in "PN"
        ]
        return [*families, dict(self.claims)]

    @property
    def everything(self) -> dict[str, Claim]:
        """Controls, then claims."""
        return {**self.controls, **self.claims}

    @property
    def tests(self) -> Iterator[tuple[str, Test]]:
        """All tests, each with its place in the file."""
        for kind, claims in (("controls", self.controls), ("claims", self.claims)):
            for name, claim in claims.items():
                for index, test in enumerate(claim.tests):
                    yield f"{kind}.{name}.tests.{index}", test
