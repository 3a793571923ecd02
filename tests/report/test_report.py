"""The page: complete, self-contained, and made of the tables' numbers."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import synthetic_study

from ganlore import formatting, frames, storage
from ganlore.analysis import matrices
from ganlore.errors import GanloreError
from ganlore.report.page import build
from ganlore.study import registry
from ganlore.study.run import Plan

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that elements nest, and collects what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def all(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.elements if attribute in a]


@pytest.fixture(scope="module")
def text(plan: Plan) -> str:
    return build(plan).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_features_that_only_training_uses_are_told_apart(text: str, tmp_path: Path) -> None:
    """And only where a run has any."""

    def row(page: str, title: str) -> list[str]:
        actual = re.search(rf'<th scope="row">{title}</th>(.*?)</tr>', page, re.DOTALL)
        return re.findall(r'<td class="prose">(.*?)</td>', actual[1]) if actual else []

    measured = ["classifier, test accuracy 98.9 %", "coordinates"]
    assert row(text, "in the features of") == measured
    assert row(text, "features in training only") == []
    places = [("digits", "dcgan", ["none", "perceptual"]), ("ring", "mlp", ["none"])]
    grids = [
        {"datasets": [data], "networks": [network], "losses": ["lsgan"], "tricks": tricks}
        for data, network, tricks in places
    ]
    plan = synthetic_study.make(synthetic_study.small(tmp_path, grids=grids))
    other = build(plan).read_text(encoding="utf-8")
    assert row(other, "in the features of") == measured
    used = ["residual-classifier, test accuracy 98.9 %", "none"]
    assert row(other, "features in training only") == used


def test_elements_nest_and_names_are_unique(page: Page) -> None:
    assert page.open == []
    names = page.all("id")
    assert len(names) == len(set(names))
    anchors = {href[1:] for href in page.all("href") if href.startswith("#")}
    assert anchors <= set(names)


def test_nothing_is_loaded_from_elsewhere(text: str, page: Page, plan: Plan) -> None:
    sources = page.all("src")
    assert all(source.startswith(("pictures/", "figures/")) for source in sources) and sources
    assert {a.get("loading") for tag, a in page.elements if tag == "img"} == {"lazy"}
    loading = [a["href"] for tag, a in page.elements if "href" in a and tag != "a"]
    assert all(str(href).startswith("#") for href in loading)
    assert "@import" not in text and "url(http" not in text
    folder = Path(plan.study.reports)
    linked = {a["href"] for tag, a in page.elements if tag == "a" and "href" in a}
    recorded = storage.open_record(folder / "report.json", "")["files"]
    assert set(sources) <= set(recorded)
    for link in (*(str(href) for href in linked), *sources):
        assert link.startswith(("#", "https://")) or (folder / link).is_file(), link


def test_every_cell_has_its_strip_its_number_and_its_fold(
    page: Page, plan: Plan, actual: list[matrices.Matrix]
) -> None:
    displayed = {a["data-cell"]: a["data-value"] for _, a in page.elements if "data-cell" in a}
    folds = {a["id"] for tag, a in page.elements if tag == "details" and "id" in a}
    assert len(displayed) == len({run.cell for run in plan.runs})
    for matrix in actual:
        for (loss, trick), row in matrix.cells.iterrows():
            anchor = f"cell-{matrix.slug}-{loss}-{trick}"
            assert displayed[anchor] == str(row["fid"]) and anchor in folds


def test_numbers_are_the_tables(text: str, page: Page, plan: Plan) -> None:
    table = frames.read_csv(Path(plan.study.reports) / "tables/cells.csv", keep_default_na=False,
                        na_values=[""])  # fmt: skip
    for metric in ("fid", "fid_best", "recall", "modes"):
        displayed = [float(str(a["data-value"])) for _, a in page.elements
                 if a.get("data-metric") == metric]  # fmt: skip
        assert sorted(map(str, displayed)) == sorted(map(str, table[metric]))
    for row in table.to_dict("records"):
        mean, reach = formatting.interval(row, "fid")
        assert mean in text and reach in text


def test_every_reason_and_every_failure_is_told(text: str, plan: Plan) -> None:
    for cell in plan.missing:
        assert html.escape(cell.reason, quote=False).replace("'", "&#39;") in text
    where = text.index('aria-label="Diverged runs"')
    rows = text[where : text.index("</table>", where)].count("<tr><td")
    lost = synthetic_study.DIVERGED
    assert rows == sum(len(lost.get((r.dataset.name, r.loss.name, r.trick), ())) > 0
                       and r.seed in lost[r.dataset.name, r.loss.name, r.trick]
                       for r in plan.runs)  # fmt: skip
    assert "2 of 3 diverged" in text and "no samples" in text


def test_what_only_some_losses_have_is_shown_for_them_alone(text: str, page: Page, plan) -> None:
    """A table of its own, and the pictures with their captions in the folds."""
    table = frames.read_csv(Path(plan.study.reports) / "tables/cells.csv")
    for metric, losses in (("asked_share", {"cgan"}), ("reconstruction_mse", {"vaegan"})):
        mine = table[table["loss"].isin(losses) & (table["dataset"] == "digits")]
        displayed = [a["data-value"] for _, a in page.elements if a.get("data-metric") == metric]
        expected = sorted(float(v) for v in displayed if v not in ("nan", ""))
        assert expected == pytest.approx(sorted(mine[metric].dropna()))
    for loss in ("cgan", "vaegan"):
        (caption,) = registry.declaration("loss", loss).fact("captions").values()
        start = caption.removesuffix(".").split(";")[0]
        assert sum(start in (a.get("alt") or "") for _, a in page.elements) == 3


def test_the_protocol_and_the_limits_are_told(text: str) -> None:
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    assert "1,438 real samples of the train split; 1,438 generated" in plain
    assert "classifier, test accuracy 98.9 %" in plain
    assert "2/23 = 0.250" in plain and "it takes 6 seeds" in plain
    assert "commit 0123456789ab" in plain


def test_every_picture_has_a_text(page: Page) -> None:
    for tag, attributes in page.elements:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_two_builds_are_the_same(plan: Plan, text: str) -> None:
    folder = Path(plan.study.reports)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    build(plan)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before == after and len(before) > 10


def test_altered_samples_are_named(tmp_path: Path) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0]))
    path = plan.folder(plan.runs[0]) / "samples.npz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(GanloreError, match=r"samples\.npz: truncated or altered"):
        build(plan)


def test_one_seed_and_one_loss_make_a_page(tmp_path: Path) -> None:
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"],
              "tricks": ["none", "r1"], "protocol": {"n_real": 2500}}]  # fmt: skip
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0], grids=grids))
    text = build(plan).read_text(encoding="utf-8")
    Page(text)
    assert "One seed says how a cell can turn out" in text and "±" not in text.split("<main>")[1]


def test_critic_steps_and_the_tricks_that_change_them_are_told() -> None:

    from ganlore.report import study

    rows = [("hinge", "none", 5), ("lsgan", "none", 1), ("hinge", "ttur", 1), ("lsgan", "ttur", 1)]
    reported = study.critic_steps(pd.DataFrame(rows, columns=["loss", "trick", "n_critic"]))
    assert reported == {"plain": {1: ["lsgan"], 5: ["hinge"]}, "changed": {"ttur": ["hinge"]}}


def test_optimisers_of_variants_are_told_and_settings_are_of_the_base(tmp_path: Path) -> None:
    from ganlore.report import study

    slow = {"losses": {"wgan": {"clip": 0.5, "optimizer": {"lr": 1e-3}}}}
    grids = [{"datasets": ["digits"], "networks": ["mlp"], "losses": ["wgan", "lsgan"],
              "tricks": ["none"], "variants": ["slow", "base"]}]  # fmt: skip
    plan = synthetic_study.small(tmp_path, seeds=[0], variants={"slow": slow}, grids=grids)
    assert study.optimizers(plan.runs).endswith("; wgan in slow: adam, lr 1e-3, betas (0.5, 0.999)")
    assert study.optimizers(plan.runs).count("; ") == 1
    assert "0.01" in study.settings(plan)["wgan"] and "slow" not in study.settings(plan)["wgan"]


def test_a_combination_is_shown_with_its_parts(tmp_path: Path) -> None:
    grids = [{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge", "wgan"],
              "tricks": ["none", "sagan"]}]  # fmt: skip
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0], grids=grids))
    text = build(plan).read_text(encoding="utf-8")
    Page(text)
    rows = dict(re.findall(r'<tr><td class="word">([a-z-]+)</td>(.*?)</tr>', text))
    assert "those of self-attention, spectral-norm-both and ttur" in rows["sagan"]
    assert "ratio 4" in rows["ttur"] and "self-attention" in rows and "ratio" not in rows["sagan"]
    assert "spectral-norm-both with wgan" in text


@pytest.mark.parametrize(
    ("accuracy", "warned"), [(0.52, True), (0.74, True), (0.76, False), (0.99, False)]
)
def test_features_that_have_learned_little_are_warned_of(
    tmp_path: Path, accuracy: float, warned: bool
) -> None:
    """Half of the way from guessing, 50 %, to no error is 75 %."""
    plan = synthetic_study.make(synthetic_study.small(tmp_path))
    changes = {"test_accuracy": accuracy, "majority_share": 0.5}
    synthetic_study.change_record(plan, "digits", "classifier", **changes)
    text = build(plan).read_text(encoding="utf-8")
    assert ("Read the numbers of digits with care" in text) == warned
    assert (f"right for {100 * accuracy:.1f} % of the test pictures" in text) == warned
