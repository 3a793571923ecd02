"""The report's page as a reader has it: in headless Chromium, on a desk, on a phone, in the dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic_study

from ganlore import frames
from ganlore.report.page import build

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium on this machine: install it (Debian: apt install chromium) to test the page",
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is a test dependency")

CONTRAST = """() => {
  const light = (colour) => {
    const parts = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const numbers = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = numbers(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script, style, svg, .anchor") || !element.checkVisibility()) continue;
    const [a, b] = [numbers(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([node.data.trim().slice(0, 40), ratio]);
  }
  return poor;
}"""
"""Texts that stand out from what is behind them by less than WCAG's 4.5 to 1."""

CUT = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll("table, svg[role=img], img, p, figcaption, h1, h2, h3")]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > wide + 1)
    .map((e) => `${e.tagName} ${e.className.baseVal ?? e.className} ${e.closest("[id]")?.id} ${Math.round(e.getBoundingClientRect().right)} > ${wide}`);
}"""
"""What reaches beyond the right border of the page."""


class Watched:
    """A page with all that it asked for and all that it complained of."""

    def __init__(self, browser: playwright.Browser, path: Path, **kinds: object) -> None:
        self.context = browser.new_context(offline=True, reduced_motion="reduce", **kinds)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        actual = driver.chromium.launch(executable_path=CHROMIUM)
        yield actual
        actual.close()


@pytest.fixture(scope="module")
def claiming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with claims."""
    return build(synthetic_study.make(synthetic_study.claiming(tmp_path_factory.mktemp("c"))))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study without claims: images and points, diverged runs, losses' own pictures."""
    return build(synthetic_study.make(synthetic_study.small(tmp_path_factory.mktemp("p"))))


@pytest.fixture(scope="module", params=["claiming", "plain"])
def path(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def desk(browser: playwright.Browser, path: Path) -> Iterator[Watched]:
    actual = Watched(browser, path, viewport={"width": 1280, "height": 900})
    yield actual
    actual.context.close()


@pytest.fixture
def claims(browser: playwright.Browser, claiming: Path) -> Iterator[playwright.Page]:
    actual = Watched(browser, claiming, viewport={"width": 1280, "height": 900})
    yield actual.page
    actual.context.close()


def column(table: playwright.Locator, index: int) -> list[str]:
    """The texts of a column's visible cells."""
    cells = table.locator(f"tbody tr:not([hidden]) td:nth-child({index})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_nothing_is_asked_for_and_nothing_complained_of(desk: Watched, path: Path) -> None:
    for fold in desk.page.locator("details").all():
        fold.evaluate("fold => (fold.open = true)")
    desk.page.mouse.wheel(0, 20_000)
    desk.page.wait_for_timeout(100)
    first, *others = desk.requests
    assert first == path.as_uri()
    beside = tuple(f"{path.parent.as_uri()}/{folder}/" for folder in ("pictures", "figures"))
    assert others and all(url.startswith(beside) for url in others)
    assert desk.complaints == []
    assert (
        desk.page.evaluate(
            "[...document.images].filter((image) => image.complete && !image.naturalWidth).length"
        )
        == 0
    )


def test_every_figure_and_picture_has_a_text(desk: Watched) -> None:
    displayed = desk.page.evaluate(
        """() => [...document.querySelectorAll("img, svg:not([aria-hidden])")]
             .filter((e) => !e.parentElement.closest("svg"))
             .map((e) => e.getAttribute("alt") ?? (e.getAttribute("role") === "img" ? e.getAttribute("aria-label") : ""))"""
    )
    assert len(displayed) > 20 and all(text and len(text) > 5 for text in displayed)
    figures = desk.page.locator("figure.drawn .scroll > :is(svg[role=img], img)")
    texts = figures.evaluate_all(
        "all => all.map((e) => e.getAttribute('aria-label') ?? e.getAttribute('alt'))"
    )
    assert len(texts) == desk.page.locator("figure.drawn").count() == len(set(texts))


def test_the_files_of_every_figure_are_there(desk: Watched, path: Path) -> None:
    links = desk.page.locator("figure.drawn .files a")
    files = links.evaluate_all("all => all.map((e) => e.getAttribute('href'))")
    assert len(files) == 3 * desk.page.locator("figure.drawn").count()
    for name in files:
        assert (path.parent / name).stat().st_size > 100, name
    made = desk.page.locator("figure.drawn .made").all_text_contents()
    assert all("ganlore report configs/" in text and "tables/" in text for text in made)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(browser: playwright.Browser, path: Path, scheme: str) -> None:
    actual = Watched(browser, path, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    actual.page.evaluate(
        "for (const fold of document.querySelectorAll('details')) fold.open = true"
    )
    paper = actual.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    red = int(paper.removeprefix("rgb(").split(",")[0])
    assert (red < 60) == (scheme == "dark")
    assert actual.page.evaluate(CONTRAST) == []
    actual.context.close()


def test_a_phone_scrolls_down_only(browser: playwright.Browser, path: Path) -> None:
    """With all folds open, too; what is wide scrolls inside its own box, which keys can reach."""
    actual = Watched(browser, path, viewport={"width": 390, "height": 844}, is_mobile=True)
    for _ in range(2):
        width = actual.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        actual.page.evaluate("for (const f of document.querySelectorAll('details')) f.open = true")
    boxes = actual.page.evaluate(
        """() => [...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth)
             .map((e) => [e.tabIndex, e.getAttribute("role"), e.getAttribute("aria-label")])"""
    )
    assert boxes
    assert all(index == 0 and role == "region" and label for index, role, label in boxes)
    actual.context.close()


def test_print_cuts_nothing(browser: playwright.Browser, path: Path) -> None:
    """On a landscape A4 page inside its margins; tables fit, what is wide on the screen as well."""
    actual = Watched(browser, path, viewport={"width": 1032, "height": 703})  # 273 x 186 mm
    actual.page.emulate_media(media="print", color_scheme="light")
    assert actual.page.evaluate(CUT) == []
    assert actual.page.evaluate("document.documentElement.scrollWidth") <= 1032
    pdf = actual.page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF") and len(pdf) > 50_000
    actual.context.close()


def test_print_shows_what_claims_rest_on(claims: playwright.Page) -> None:
    """Folded on the screen, unfolded on paper."""
    inside = claims.locator("#claim-C01 table").first
    assert not inside.is_visible()
    claims.emulate_media(media="print")
    assert inside.bounding_box()["height"] > 20


def test_the_first_screen_has_the_question_and_the_verdicts(claims: playwright.Page) -> None:
    assert claims.locator("h1").inner_text() == "Which advice on training GANs holds up?"
    rows = claims.locator("table.verdicts tbody tr")
    assert claims.locator(".answers").bounding_box()["y"] < 250  # the three sentences
    assert rows.first.bounding_box()["y"] < 650  # and the forest plot, before any scrolling
    assert rows.nth(2).locator("svg.bar").is_visible()
    assert column(claims.locator("table.verdicts"), 1) == [f"C{n:02}" for n in range(1, 8)]
    words = ["✓ holds", "✗ contradicted", "? undecided", "≈ does not hold", "– not tested",
             "↓ not converged", "⊘ not testable here"]  # fmt: skip
    assert column(claims.locator("table.verdicts"), 3) == words
    reported = effects_in_the_table(claims)
    effects = [
        text.split("\n")[0].replace("\xa0", " ")
        for text in column(claims.locator("table.verdicts"), 5)
    ]
    assert effects == [*reported[:4], "–", *reported[4:]]


def effects_in_the_table(page: playwright.Page) -> list[str]:
    """The effects of deciding tests in the report's table of verdicts."""

    path = Path(page.url.removeprefix("file://")).parent / "tables/verdicts.csv"
    table = frames.read_csv(path)
    return list(table.loc[table["deciding"] & table["shown"].notna(), "in_words"])


def test_a_study_without_claims_begins_with_what_it_has(
    browser: playwright.Browser, plain: Path
) -> None:
    actual = Watched(browser, plain, viewport={"width": 1280, "height": 900})
    assert actual.page.locator("h1").inner_text() == "A small study"
    assert actual.page.locator("table.verdicts, #articles").count() == 0
    assert actual.page.locator("main section").first.get_attribute("aria-labelledby") == "first"
    assert actual.page.locator(".answers p").count() >= 3
    actual.context.close()


def test_a_verdict_leads_to_its_figure_and_its_article(claims: playwright.Page) -> None:
    """Their fold opens; a claim that was not tested says what it lacks."""
    row = claims.locator("tr[data-claim=C02]")
    row.get_by_role("link", name="figure").click()
    claims.wait_for_function("document.querySelector('#claim-C02').open")
    assert claims.locator("#verdict-C02 svg").bounding_box()["y"] < 900
    row.get_by_role("link", name="000").click()
    assert "Arabic" in claims.locator(":target").inner_text()
    claims.locator("tr[data-claim=C05]").get_by_role("link", name="why not").click()
    claims.wait_for_function("document.querySelector('#claim-C05').open")
    lacking = claims.locator("#claim-C05 .lost")
    assert "self-attention" in lacking.inner_text() and lacking.is_visible()
    claims.locator("#claim-C01 dl a").first.evaluate("link => link.click()")
    claims.wait_for_function("document.querySelector('details:target')?.open")
    assert claims.locator("details:target img").first.is_visible()


def test_a_fold_opens_by_key(claims: playwright.Page) -> None:
    summary = claims.locator("#claim-C03 > summary")
    summary.focus()
    claims.keyboard.press("Enter")
    assert claims.locator("#claim-C03").evaluate("fold => fold.open")
    assert claims.locator("#claim-C03 table").first.is_visible()


def test_tables_sort_by_key_and_say_so(desk: Watched) -> None:
    table = desk.page.locator("#tables ~ * table.sortable").first
    for name, numeric in (("FID ↓", True), ("loss", False)):
        head = table.get_by_role("columnheader", name=name, exact=True)
        index = 1 + head.evaluate("head => head.cellIndex")
        cells = table.locator(f"tbody tr:not(.na) td:nth-child({index})")
        for key, direction in (("Enter", "ascending"), ("Space", "descending")):
            head.get_by_role("button").focus()
            desk.page.keyboard.press(key)
            assert head.get_attribute("aria-sort") == direction
            assert table.locator("[aria-sort]").count() == 1
            displayed = cells.evaluate_all(
                "all => all.map((e) => e.dataset.value ?? e.innerText.trim())"
            )
            expected = (
                [float(value) for value in displayed if value != "nan"] if numeric else displayed
            )
            assert expected == sorted(expected, reverse=direction == "descending")
            assert len(set(expected)) > 2
    assert desk.page.locator("table.sortable tr.na td").first.is_visible()


def test_heads_are_plain_while_printed(claims: playwright.Page) -> None:
    """Chromium repeats a table's head on each page, unless a control is in it."""
    heads = claims.locator("table.sortable thead")
    texts, buttons = heads.all_inner_texts(), heads.locator("button").count()
    assert buttons > 4
    claims.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (heads.all_inner_texts(), heads.locator("button").count()) == (texts, 0)
    claims.evaluate("dispatchEvent(new Event('afterprint'))")
    assert (heads.all_inner_texts(), heads.locator("button").count()) == (texts, buttons)


def test_what_has_no_value_is_last_either_way(browser: playwright.Browser, plain: Path) -> None:
    """A cell of which every run diverged."""
    actual = Watched(browser, plain)
    table = actual.page.locator("#tables ~ * table.sortable").first
    button = table.get_by_role("columnheader", name="FID ↓", exact=True).get_by_role("button")
    for _ in range(2):
        button.click()
        values = table.locator("td[data-metric=fid]").evaluate_all(
            "all => all.map((e) => e.dataset.value)"
        )
        assert values[-1] == "nan" and "nan" not in values[:-1]
    actual.context.close()


def test_tables_filter_and_say_how_many_are_left(desk: Watched) -> None:
    page = desk.page
    field = page.get_by_label("Filter rows: All metrics, digits, dcgan")
    table = page.locator("#tables ~ * table.sortable").first
    rows = table.locator("tbody tr")
    total = rows.count()
    field.fill("LSGAN pack")
    visible = [row for row in rows.all() if row.is_visible()]
    assert len(visible) == 1
    assert all(word in visible[0].inner_text() for word in ("lsgan", "packing"))
    tools = page.locator(".tools", has=field)
    assert tools.get_by_role("status").inner_text() == f"1 of {total}"
    with page.expect_download() as download:
        tools.get_by_role("button", name="CSV of these rows").click()
    head, line = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert head.startswith("rank,loss,trick,FID ↓") and ",lsgan,packing," in line
    exact = visible[0].locator("td[data-metric=fid]").get_attribute("data-value")
    assert exact in line.split(",")
    field.fill("")
    assert sum(row.is_visible() for row in rows.all()) == total
    assert tools.get_by_role("status").inner_text() == ""


def test_cells_are_found_by_name(desk: Watched) -> None:
    desk.page.get_by_label("Filter cells").fill("minimax + packing")
    visible = [
        fold for fold in desk.page.locator("#samples ~ * details").all() if fold.is_visible()
    ]
    assert [fold.get_attribute("id") for fold in visible] == [
        "cell-digits-dcgan-base-minimax-packing"
    ]


def test_samples_of_every_seed_are_in_their_fold(desk: Watched) -> None:
    fold = desk.page.locator("#cell-digits-dcgan-base-wgan-packing")
    fold.locator("summary").click()
    seeds = fold.locator(".sheets figure")
    assert seeds.count() in (3, 8)
    for figure in seeds.all():
        assert figure.locator("img").first.bounding_box()["width"] > 50
