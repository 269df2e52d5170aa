"""The page in a browser: what a reader sees, presses and prints."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samewhy_edge.picture import AGAINST, FOR
from samewhy_host.report.figures import encoded
from samewhy_host.report.page import gallery_name, render
from samewhy_host.report.reading import read
from tests.host.finished import CLASSES, QUESTION, RUNGS, SAMPLES, SHOWN, edit, run_folder
from tests.host.test_viewer import judged

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
QUIET += ["disable-component-update", "disable-sync"]
EXPLAINERS = ("occlusion", "rise-centred", "lime")
ERROR = 0.4  # of rise-centred; the made-up maps differ by about 1.4
CELL = (3, 2)  # row and column of the maps
DRAWN = "[...document.querySelectorAll('.plates canvas')].map((one) => one.toDataURL()).join()"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

Page = Any  # playwright's


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, args=[f"--{one}" for one in QUIET])
        yield started
        started.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all sections, its maps of three kinds of noise."""
    errors = {"occlusion": 0.0, "rise-centred": ERROR}
    folder = run_folder(tmp_path_factory.mktemp("run"), explainers=EXPLAINERS, errors=errors)
    edit(folder, judged("deletion"))
    edit(folder, judged("gini", "shape"))
    edit(folder, mixed)
    return written(folder)


def mixed(table: Any) -> None:
    """One verdict of each kind; values of agreements that do not rise, one of them undefined."""
    table["verdicts"][1].update(verdict="changed", loss=0.2, low=0.1, high=0.3)
    table["verdicts"][3].update(verdict="undecided", reason="noise", more={"samples": 60})
    for place, row in enumerate(table["agreements"]):
        row["value"] = round((place * 7 % 11) / 11 - 0.3, 6)
    table["agreements"][4].update(value=None, low=None, high=None, samples=0, undefined=SAMPLES)


def written(folder: Path) -> Path:
    """The folder with its page; figures are the business of others."""
    blank = encoded(Image.new("RGB", (1200, 300), "white"))
    names = ["agreements", "measures", "costs", *(gallery_name(place) for place in range(len(SHOWN)))]
    pictures = dict.fromkeys(names, blank)
    (folder / "report.html").write_text(render(read(folder), pictures))
    return folder


@pytest.fixture
def page(browser: Any, run: Path) -> Iterator[Page]:
    yield from opened(browser, run)


def opened(browser: Any, folder: Path, **how: Any) -> Iterator[Page]:
    """The page; afterwards nothing may have gone wrong, and nothing may have been asked for but the page itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **how)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "report.html").as_uri())
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [(folder / "report.html").as_uri()]


def choose(page: Page, name: str, value: Any) -> None:
    """Presses a radio button of the viewer, by its label as a reader does."""
    page.locator(f"#viewer label:has(input[name={name}][value='{value}'])").click()


def chosen(page: Page, name: str) -> str:
    return str(page.locator(f"#viewer input[name={name}]:checked").get_attribute("value"))


def maps(run: Path, rung: str, explainer: str, sample: int = SHOWN[0]) -> Any:
    with np.load(run / "records" / f"{rung}--{explainer}.npz") as arrays:
        return arrays["maps"][sample].astype(np.float64)


def colours(page: Page, plate: int, shape: tuple[int, int] = (6, 6)) -> Any:
    """Mean colour of the middle of each cell of a plate, (rows, columns, 3)."""
    script = """([plate, rows, columns]) => {
        const canvas = document.querySelectorAll('.plates canvas')[plate];
        const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
        pen.drawImage(canvas, 0, 0);
        const [wide, high] = [canvas.width / columns, canvas.height / rows];
        const mean = (data) => [0, 1, 2].map((k) => {
            let sum = 0;
            for (let i = k; i < data.length; i += 4) sum += data[i];
            return (4 * sum) / data.length;
        });
        return [...Array(rows).keys()].map((row) => [...Array(columns).keys()].map((column) => mean(pen.getImageData(
            Math.round(column * wide + wide / 4), Math.round(row * high + high / 4), wide / 2, high / 2).data)));
    }"""
    return np.array(page.evaluate(script, [plate, *shape]))


def test_the_first_screen_answers(page: Page) -> None:
    assert page.locator("h1").inner_text() == QUESTION
    box = page.locator(".matrix").bounding_box()
    assert box["y"] + box["height"] < 900
    assert not page.locator(".unscripted").is_visible()
    assert page.locator(".tally").all_inner_texts() == ["1 changed", "1 undecided"]
    assert page.locator(".matrix tbody th").all_inner_texts() == list(RUNGS[1:])
    words = page.locator(".matrix td.cell .verdict").all_inner_texts()
    assert words == ["same", "undecided", "same", "changed", "same", "same"]  # a row a rung, a column an explainer
    assert page.locator(".matrix td.changed span.loss").inner_text() == "0.2000 [0.1000, 0.3000]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample", 1),
        ("explainer", 1),
        ("explainer", 2),
        ("rung", 0),
        ("rung", 1),
        ("view", "reference"),
        ("view", "above"),
        ("layout", "beside"),
    ],
)
def test_every_choice_changes_the_picture(page: Page, name: str, value: Any) -> None:
    before = page.evaluate(DRAWN)
    choose(page, name, value)
    assert chosen(page, name) == str(value)
    assert page.evaluate(DRAWN) != before


def test_opacity_and_hatching_change_the_picture(page: Page) -> None:
    before = page.evaluate(DRAWN)
    page.locator("input[name=opacity]").fill("0")
    bare = page.evaluate(DRAWN)
    assert bare != before
    choose(page, "explainer", 1)
    assert page.evaluate(DRAWN) == bare  # at no opacity there is but the sample
    choose(page, "view", "reference")
    hatched = page.evaluate(DRAWN)
    page.locator("input[name=hatched]").uncheck()
    assert page.evaluate(DRAWN) != hatched


def test_a_map_has_its_colours(page: Page, run: Path) -> None:
    choose(page, "layout", "beside")
    one = maps(run, "board", "occlusion")
    found = colours(page, 1)
    scale = max(np.abs(maps(run, rung, "occlusion")).max() for rung in RUNGS)
    red = found[..., 0] > found[..., 2] + 2
    assert np.array_equal(red[np.abs(one) > 0.1 * scale], (one > 0)[np.abs(one) > 0.1 * scale])
    ends = {True: FOR, False: AGAINST}
    peak = np.unravel_index(np.abs(one).argmax(), one.shape)
    part = np.abs(one[peak]) / scale
    assert found[peak] == pytest.approx(247 + part * (np.array(ends[bool(one[peak] > 0)]) - 247), abs=2)


@pytest.mark.parametrize(("view", "other"), [("reference", "float"), ("above", "int8-xnnpack")])
def test_a_difference_is_hatched_where_it_lies_within_the_noise(page: Page, run: Path, view: str, other: str) -> None:
    choose(page, "explainer", 1)
    choose(page, "view", view)
    choose(page, "layout", "beside")
    assert page.locator(".plates figcaption").all_inner_texts() == ["sample", other, "board", f"board − {other}"]
    gap = maps(run, "board", "rise-centred") - maps(run, other, "rise-centred")
    spread = np.ptp(colours(page, 3), axis=-1)
    within = np.abs(gap) < 2 * np.hypot(ERROR, ERROR)
    assert 0 < within.sum() < within.size
    assert np.array_equal(spread < 6, within)  # hatching is grey
    assert "standard errors of the two maps" in page.locator(".bounds").inner_text()


def test_what_is_not_drawn_is_hatched_below_a_step_of_the_output_alone(page: Page, run: Path) -> None:
    choose(page, "view", "reference")
    assert "less than one step of the int8 output, 0.0039" in page.locator(".bounds").inner_text()
    choose(page, "rung", 1)
    assert "nothing is hatched, and white is equal" in page.locator(".bounds").inner_text()
    choose(page, "rung", 0)
    assert "This is the reference" in page.locator(".bounds").inner_text()
    choose(page, "explainer", 2)
    choose(page, "rung", 2)
    assert "are not known, so nothing is hatched" in page.locator(".bounds").inner_text()


@pytest.mark.parametrize(("view", "less"), [("map", None), ("reference", "float"), ("above", "int8-xnnpack")])
def test_the_pointer_reads_values(page: Page, run: Path, view: str, less: str | None) -> None:
    choose(page, "view", view)
    canvas = page.locator(".plates canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    row, column = CELL
    page.mouse.move(box["x"] + box["width"] * (column + 0.5) / 6, box["y"] + box["height"] * (row + 0.5) / 6)
    place, _, value = page.locator(".readout").inner_text().partition(": ")
    expected = maps(run, "board", "occlusion")[CELL] - (maps(run, less, "occlusion")[CELL] if less else 0)
    assert place == "row 4, column 3"
    assert float(value.split()[0].replace("−", "-")) == pytest.approx(expected, rel=0.006)


@pytest.mark.parametrize(("spatial", "channels", "tiles"), [((40,), 3, "time 1, channel 1"), ((6, 6), 3, "channel 1")])
def test_maps_that_tell_channels_apart_show_each(
    browser: Any, tmp_path: Path, spatial: tuple[int, ...], channels: int, tiles: str
) -> None:
    folder = run_folder(tmp_path, spatial, channels, telling=("occlusion",))
    for rung in RUNGS:  # the channels cancel each other
        one = np.broadcast_to(np.array([1, -1, 0], np.float32), (SAMPLES, *spatial, 3))
        write(folder, rung, one)
    for page in opened(browser, written(folder)):
        choose(page, "layout", "beside")
        found = colours(page, 1, (3, 1) if len(spatial) == 1 else (2, 2)).reshape(-1, 3)
        assert found[0] == pytest.approx(FOR, abs=30)
        assert found[1] == pytest.approx(AGAINST, abs=30)
        canvas = page.locator(".plates canvas").nth(1)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 3, box["y"] + 26)
        assert tiles in page.locator(".readout").inner_text()


def write(folder: Path, rung: str, one: Any) -> None:
    np.savez(folder / "records" / f"{rung}--occlusion.npz", maps=one)


def test_keys_move_through_samples_rungs_and_explainers(page: Page) -> None:
    page.locator(".stage").focus()
    for key, name, value in [
        ("ArrowLeft", "rung", "1"),
        ("ArrowRight", "rung", "2"),
        ("ArrowRight", "rung", "0"),
        ("ArrowLeft", "rung", "2"),
        ("ArrowDown", "explainer", "1"),
        ("ArrowUp", "explainer", "0"),
        ("ArrowUp", "explainer", "2"),
        ("n", "sample", "1"),
        ("p", "sample", "0"),
        ("d", "view", "reference"),
        ("a", "view", "above"),
        ("o", "layout", "beside"),
        ("m", "view", "map"),
    ]:
        before = page.evaluate(DRAWN)
        page.keyboard.press(key)
        assert chosen(page, name) == value
        assert page.evaluate(DRAWN) != before
    page.keyboard.press("d")
    page.keyboard.press("h")
    assert not page.locator("input[name=hatched]").is_checked()


def test_arrow_keys_in_a_group_of_buttons_are_the_groups_own(page: Page) -> None:
    page.locator("input[name=explainer]").first.focus()
    page.keyboard.press("ArrowRight")
    assert (chosen(page, "explainer"), chosen(page, "rung")) == ("1", "2")


def test_the_keyboard_reaches_all_and_one_sees_where_it_is(page: Page) -> None:
    wanted = page.evaluate(
        """() => {
            const groups = new Set();
            const alone = (one) => one.type !== 'radio' || !groups.has(one.name) && groups.add(one.name);
            const all = 'a[href], button, input, summary, [tabindex="0"]';
            const seen = [...document.querySelectorAll(all)].filter((one) => one.checkVisibility() && !one.disabled);
            return seen.filter(alone).length;
        }"""
    )
    reached, shown = set(), []
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        where, seen = page.evaluate(
            """() => {
                const one = document.activeElement;
                if (one === document.body) return ['', true];
                const marked = [one, one.closest('label')].filter(Boolean).map((it) => getComputedStyle(it));
                const place = [...document.querySelectorAll('*')].indexOf(one);
                const name = one.type === 'radio' ? one.name : String(place);
                return [name, marked.some((it) => it.outlineStyle !== 'none' && it.outlineWidth !== '0px')];
            }"""
        )
        if where:
            reached.add(where)
            shown.append(seen)
    assert len(reached) == wanted
    assert all(shown)


def column(page: Page, place: int) -> list[str]:
    return list(page.locator(f"#all tbody tr:not([hidden]) > :nth-child({place})").all_inner_texts())


def test_tables_sort_by_click_and_by_key_and_find_back(page: Page) -> None:
    page.locator("#all summary").click()
    head = page.locator("#all thead th").nth(4)
    first = column(page, 5)
    values = [float(text.replace("−", "-")) for text in first if text != "–"]
    assert values != sorted(values)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = column(page, 5)
    assert [float(text.replace("−", "-")) for text in rising[:-1]] == sorted(values)
    assert rising[-1] == "–"
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    falling = column(page, 5)
    assert falling == [*rising[:-1][::-1], "–"] or sorted(falling) == sorted(rising)
    assert [float(text.replace("−", "-")) for text in falling[:-1]] == sorted(values, reverse=True)
    page.locator("#all thead th").first.get_by_role("button").click()
    assert (head.get_attribute("aria-sort"), column(page, 1)) == ("none", sorted(column(page, 1)))
    for _ in range(2):
        page.keyboard.press("Enter")
    assert column(page, 5) == first


def test_sizes_sort_by_their_bytes(browser: Any, tmp_path: Path) -> None:
    def grow(table: Any) -> None:
        for row, size in zip(table["rungs"], (2_000_000, 999, 54_321), strict=True):
            row["bytes"] = size

    for page in opened(browser, written(edit(run_folder(tmp_path), grow))):
        page.locator("#ladder thead th").nth(4).get_by_role("button").click()
        assert page.locator("#ladder tbody td:nth-child(5)").all_inner_texts() == ["999 B", "54.3 kB", "2.00 MB"]


def test_the_filter_keeps_the_rows_that_hold_every_word(page: Page) -> None:
    page.locator("#all summary").click()
    every = len(column(page, 1))
    assert page.locator(".filter output").inner_text() == f"{every} of {every} rows"
    page.locator(".filter input").fill("BOARD  occlusion spearman")
    rows = page.locator("#all tbody tr:not([hidden])").all_inner_texts()
    assert len(rows) == 2  # with the reference, with the rung above
    assert all("board" in row and "occlusion" in row and "Spearman" in row for row in rows)
    assert page.locator(".filter output").inner_text() == f"2 of {every} rows"
    page.locator(".filter input").fill("")
    assert len(column(page, 1)) == every


CONTRAST = """() => {
    const part = (one) => { one /= 255; return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4; };
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (one) => {
        for (let at = one; at; at = at.parentElement) {
            const found = numbers(getComputedStyle(at).backgroundColor);
            if (found.length < 4 || found[3] === 1) return found;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let count = 0;
    while (walk.nextNode()) {
        const one = walk.currentNode.parentElement;
        const silent = one.closest('.unseen, :has(> :disabled)') || !walk.currentNode.textContent.trim();
        if (silent || !one.checkVisibility()) continue;
        const [a, b] = [light(numbers(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
        count += 1;
        if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(walk.currentNode.textContent.trim());
    }
    return [count, faint];
}"""


@pytest.mark.parametrize("system", ["light", "dark"])
def test_both_themes_can_be_read_whatever_the_system_says(browser: Any, run: Path, system: str) -> None:
    for page in opened(browser, run, color_scheme=system):
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        grounds = []
        for said in ("as the system", "light", "dark"):
            assert page.locator("#theme span").inner_text() == said
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            count, faint = page.evaluate(CONTRAST)
            assert count > 300
            assert faint == []
            page.locator("#theme").click()
        assert grounds[1] != grounds[2]
        assert grounds[0] == grounds[1 if system == "light" else 2]


def test_paper_has_what_lies_in_closed_details(page: Page, tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    choose(page, "explainer", 1)
    closed = page.locator("details:not([open])").count()
    page.pdf(path=tmp_path / "report.pdf")
    sheets = pypdf.PdfReader(tmp_path / "report.pdf").pages
    text = " ".join(" ".join(sheet.extract_text() for sheet in sheets).split())
    assert QUESTION in " ".join(sheets[0].extract_text().split())
    assert "changed" in sheets[0].extract_text()
    assert "0.2000 [0.1000, 0.3000]" in text
    assert "rise-centred same, loss" in text  # the viewer as it stood
    assert "occlusion changed, loss" not in text
    assert "f" * 20 in "".join(text.split())  # a digest, in the details of the artifacts
    assert page.locator("details:not([open])").count() == closed > 0


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("layout", ["over", "beside"])
def test_nothing_is_wider_than_the_screen(browser: Any, run: Path, width: int, layout: str) -> None:
    for page in opened(browser, run):
        page.set_viewport_size({"width": width, "height": 800})
        choose(page, "layout", layout)
        choose(page, "view", "reference")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_all_pictures_and_numbers_are_there(browser: Any, run: Path) -> None:
    for page in opened(browser, run, java_script_enabled=False):
        assert not page.locator("#viewer").is_visible()
        assert page.get_by_text("The viewer needs JavaScript").is_visible()
        assert page.locator("#gallery img").count() == len(SHOWN)
        assert all(one.is_visible() for one in page.locator("#gallery img").all())
        assert not page.locator("#theme").is_visible()
        page.locator("#all summary").click()
        assert page.locator("#all tbody tr").first.is_visible()
        assert page.locator("th button").count() == 0


def test_names_stay_text_in_the_viewer_too(page: Page) -> None:
    assert CLASSES[0] in page.locator(".caption").inner_text()
    assert "answers <script>" in page.locator(".caption").inner_text()


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    names = page.locator("a[href^='#']").evaluate_all("all => all.map((one) => one.getAttribute('href').slice(1))")
    assert {"verdicts", "tested", "faithfulness", "shape", "localisation"} <= set(names)
    assert [name for name in names if not page.locator(f"[id='{name}']").count()] == []


def test_one_rung_is_viewed_without_differences(browser: Any, tmp_path: Path) -> None:
    folder = run_folder(tmp_path, rungs=RUNGS[:1], explainers=("occlusion",))
    for page in opened(browser, written(folder)):
        assert page.locator("input[name=view]").count() == 1
        page.locator(".stage").focus()
        page.keyboard.press("d")
        assert chosen(page, "view") == "map"
        hrefs = page.locator("a[href^='#']").evaluate_all("all => all.map((one) => one.getAttribute('href').slice(1))")
        assert [name for name in hrefs if not page.locator(f"[id='{name}']").count()] == []
