import html
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_edge.picture import AGAINST, FOR, NEUTRAL
from samewhy_host.report import figures, words
from samewhy_host.report.page import write_report
from tests.host.finished import CLASSES, QUESTION, RUNGS, SAMPLES, SHOWN, edit, run_folder, verdict

PNG = b"\x89PNG\r\n\x1a\n"


class Reader(HTMLParser):
    """What a browser would fetch, and what it would show."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.pieces: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.images += [dict(attrs)] if tag == "img" else []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report; not to be written to."""
    folder = run_folder(tmp_path_factory.mktemp("run"))
    write_report(folder)
    return folder


def page(folder: Path) -> Reader:
    reader = Reader()
    reader.feed((folder / "report.html").read_text())
    return reader


def reported(folder: Path) -> Reader:
    return page(write_report(folder).parent)


def cells(folder: Path, section: str) -> list[list[str]]:
    """Rows of the first table of a section, as text."""
    source = (folder / "report.html").read_text().partition(f'id="{section}"')[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in source.split("<tr>")[1:]]
    return [[" ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in row] for row in rows]


def test_the_page_asks_nobody_for_anything(run: Path) -> None:
    reader = page(run)
    outward = [address for address in reader.fetched if not address.startswith(("data:", "#"))]
    assert outward == []
    assert len(reader.images) == 3 + len(SHOWN)
    assert all(str(image["src"]).startswith("data:image/png;base64,") and image["alt"] for image in reader.images)
    assert not {"iframe", "object", "base"} & set(reader.tags)
    assert reader.tags.count("link") == 1  # the icon, which is no file
    assert "default-src 'none'" in (run / "report.html").read_text()  # so a browser would refuse to ask
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", (run / "report.html").read_text())


def test_what_names_contain_stays_text(run: Path) -> None:
    reader = page(run)
    assert QUESTION in reader.text
    assert f"explained class {CLASSES[1]}" in reader.text
    assert "test/<4>" in reader.text
    assert "<script>alert" not in (run / "report.html").read_text()


def test_each_explainer_is_introduced_with_how_sure_its_maps_are(tmp_path: Path) -> None:
    def tell(table: dict[str, Any]) -> None:
        first, second = table["study"]["explainers"]
        first.update(reliability=None, relative_error=0.0)
        second.update(reliability=0.9712, relative_error=0.0312)

    text = reported(edit(run_folder(tmp_path), tell)).text
    assert "occlusion , 99 queries a sample: nothing is drawn, so no chance is in its maps." in text
    assert (
        "rise-published , 99 queries a sample: split-half reliability 0.971: two maps of this many would correlate so; "
        "standard errors of at most 3.1 % of a map’s span, mean over samples."
    ) in text


def test_an_audit_from_before_that_was_told_is_still_drawn(run: Path) -> None:
    assert "occlusion , 99 queries a sample: standard errors unknown." in page(run).text


def test_every_agreement_of_the_audit_stands_on_the_page(run: Path) -> None:
    found = cells(run, "all")[1:]
    rows = json.loads((run / "audit.json").read_text())["agreements"]
    expected = [
        [row["rung"], row["reference"], row["explainer"], words.known_as(row["measure"])]
        + [f"{row[key]:.6f}" for key in ("value", "low", "high", "ceiling", "floor")]
        + [str(row["samples"]), str(row["undefined"])]
        for row in rows
    ]
    assert found == expected


def test_the_ladder_gives_each_rung_its_own_numbers(run: Path) -> None:
    head, float_, int8, board = cells(run, "ladder")
    assert head[2:4] == ["Accuracy", "Label flips of 2,000"]
    assert float_[0] == "float 00000000"
    assert float_[5:] == ["–", "–", "–", "–"]  # the reference was not timed, and is not compared with itself
    assert int8[1:7] == ["artifact runtime runtime 1.0", "89.00 %", "30", "123.5 kB", "4.56", "0.0123"]
    assert int8[7:] == ["0.610 [0.560, 0.660]", "0.625 [0.575, 0.675]"]
    assert board[2:4] == ["88.00 %", "60"]
    assert board[7:] == ["0.615 [0.565, 0.665]", "0.630 [0.580, 0.680]"]


def test_steps_compare_with_the_rung_above_and_mark_the_lowest(run: Path) -> None:
    _, first, second = cells(run, "steps")
    assert first == ["float", "int8-xnnpack", "artifact runtime", "0.610 [0.560, 0.660]", "0.625 [0.575, 0.675]"]
    assert second == ["int8-xnnpack", "board", "artifact runtime", "0.620 [0.570, 0.670]", "0.635 [0.585, 0.685]"]
    strong = re.findall(r"<strong>(.*?)</strong>", (run / "report.html").read_text())
    assert strong == ["0.610", "0.625"]


def test_the_summary_speaks_of_the_last_rung_by_an_explainer_that_can_tell(run: Path) -> None:
    text = page(run).text
    assert "board , the last of 3 rungs, gives the label of the reference float on 97.0 % of 2,000 test samples" in text
    assert "its occlusion maps agree with the reference’s at 0.615 [0.565, 0.665]" in text
    assert "agrees with itself at 0.400 under other masks, and at 0.100 with its scores shuffled" in text


def test_a_floor_that_reaches_the_ceiling_is_said_in_words(run: Path) -> None:
    text = page(run).text
    assert "rise-published : the floor is not below the ceiling. Shuffled scores" in text
    assert "rise-published : the floor is not below the ceiling for Pearson, cosine, top-overlap and SSIM" in text
    assert "occlusion : the floor is not below" not in text


def test_flips_are_named_where_they_are(run: Path) -> None:
    text = page(run).text
    assert text.count("flip on") == 1
    label, target = CLASSES[0], CLASSES[1]
    assert f"test/<4> : label {label} , explained class {target} (the reference errs); flip on board ({label})" in text


def test_maps_are_those_of_the_shown_samples(tmp_path: Path) -> None:
    drawn: list[figures.Sheet] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "sheet", lambda one: seen(drawn, one))
        write_report(run_folder(tmp_path))
    for place, sample in enumerate(SHOWN):
        with np.load(tmp_path / "records" / "board--occlusion.npz") as arrays:
            assert np.array_equal(drawn[place].maps["board", "occlusion"], arrays["maps"][sample])
    assert [sheet.flipped for sheet in drawn] == [{"board"}, set()]


def seen(drawn: list[figures.Sheet], sheet: figures.Sheet) -> bytes:
    drawn.append(sheet)
    return PNG + bytes(24)


def test_undefined_values_are_dashes_with_their_number(tmp_path: Path) -> None:
    def undefine(table: dict[str, Any]) -> None:
        for row in table["agreements"]:
            row.update(value=None, low=None, high=None, ceiling=None, floor=None, samples=0, undefined=SAMPLES)

    folder = edit(run_folder(tmp_path), undefine)
    text = reported(folder).text
    assert cells(folder, "steps")[1][3] == "– undefined: 5 of 5"
    assert cells(folder, "all")[1][4:] == ["–", "–", "–", "–", "–", "0", "5"]
    assert "have no defined agreement with the reference’s (Spearman; undefined for all 5 samples)" in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_equal_files_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    again = "from pathlib import Path; from samewhy_host.report.page import write_report; write_report(Path('{}'))"
    other = run_folder(tmp_path)
    subprocess.run([sys.executable, "-W", "error", "-c", again.format(other)], check=True, timeout=120)
    assert (other / "report.html").read_bytes() == (run / "report.html").read_bytes()


def test_what_is_inlined_is_what_lies_in_figures(run: Path) -> None:
    reader = page(run)
    contents = {path.name: path.read_bytes() for path in (run / "figures").iterdir()}
    assert sorted(contents) == ["agreements.png", "costs.png", "gallery-01.png", "gallery-02.png", "measures.png"]
    assert all(content.startswith(PNG) for content in contents.values())
    assert len({image["src"] for image in reader.images}) == len(contents)


@pytest.mark.parametrize(
    ("spatial", "channels"), [((40,), 1), ((40,), 3), ((6, 6), 3), ((6, 6), 2), ((49, 10), 1), ((1, 30), 1)]
)
def test_samples_of_every_shape_are_drawn(tmp_path: Path, spatial: tuple[int, ...], channels: int) -> None:
    text = reported(run_folder(tmp_path, spatial, channels)).text
    assert ("all maps of one column share" in text) == (len(spatial) == 1)
    assert (tmp_path / "figures" / "gallery-02.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(("spatial", "channels"), [((40,), 3), ((6, 6), 3), ((49, 10), 1)])
def test_maps_with_channels_are_drawn_beside_maps_without(
    tmp_path: Path, spatial: tuple[int, ...], channels: int
) -> None:
    folder = run_folder(tmp_path, spatial, channels)
    for rung in RUNGS:
        maps = np.random.default_rng(4).normal(size=(SAMPLES, *spatial, channels)).astype(np.float32)
        write_npz(folder / "records" / f"{rung}--occlusion.npz", maps=maps)
    write_report(folder)
    assert (folder / "figures" / "gallery-02.png").read_bytes().startswith(PNG)


def test_a_series_with_a_map_of_channels_has_a_row_a_channel() -> None:
    one = np.zeros((30, 2), np.float32)
    one[:15, 0] = one[15:, 1] = 1  # for the class, first in one channel, then in the other
    sheets = [
        figures.sheet(
            figures.Sheet(
                np.zeros((30, 2), np.float32),
                ["float"],
                ["occlusion"],
                {("float", "occlusion"): maps},
                frozenset(),
                None,
            )
        )
        for maps in (one, one[:, 0], one * 0)
    ]
    half, also_half, none = (pixels(content, FOR) for content in sheets)
    assert none == 0
    assert half == pytest.approx(also_half, rel=0.05)  # half of the strip: two quarters, or a half of the only row
    assert half > 10_000


def test_an_image_with_a_map_of_channels_shows_each() -> None:
    one = np.zeros((5, 5, 3), np.float32)
    one[..., 0], one[..., 1] = 1, -1  # their sum would be 0
    maps = {("float", "occlusion"): one}
    content = figures.sheet(figures.Sheet(one, ["float"], ["occlusion"], maps, frozenset(), None))
    assert pixels(content, FOR) == pytest.approx(pixels(content, AGAINST), rel=0.05)
    assert 90**2 < pixels(content, FOR) < 125**2  # one of four parts of the cell


def test_maps_without_a_sign_are_told_from_those_with_one(run: Path, tmp_path: Path) -> None:
    said = "have no sign: red is influence, be it for the class or against it"
    assert said not in page(run).text
    folder = run_folder(tmp_path, explainers=("occlusion", "sobol", "hsic"))
    assert f"Maps of sobol and hsic {said}" in reported(folder).text


def test_a_series_of_many_channels_has_room_for_its_rows() -> None:
    one = np.ones((30, 9), np.float32)
    low, high = (
        figures.sheet(figures.Sheet(one, ["float"], ["lime"], {("float", "lime"): maps}, frozenset(), None))
        for maps in (one[:, 0], one)
    )
    assert int.from_bytes(high[20:24]) > 1.5 * int.from_bytes(low[20:24])


def pixels(content: bytes, colour: tuple[int, int, int]) -> int:
    """How many pixels of a PNG have exactly that colour."""
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return int((image == np.array(colour)).all(axis=-1).sum())


@pytest.mark.parametrize("shape", [(9, 9, 1), (30, 1)])
def test_a_flip_has_a_border_in_both_kinds_of_sheet(shape: tuple[int, ...]) -> None:
    maps = {(rung, "occlusion"): np.ones(shape[:-1], np.float32) for rung in RUNGS}
    plain, once, twice = (
        figures.sheet(figures.Sheet(np.zeros(shape, np.float32), RUNGS, ["occlusion"], maps, frozenset(flipped), None))
        for flipped in ([], ["board"], ["board", "int8-xnnpack"])
    )
    orange = (0xC2, 0x41, 0x0C)
    assert pixels(plain, orange) == 0
    assert pixels(once, orange) > 2000  # the letters of the word have a few hundred
    assert pixels(twice, orange) > 1.8 * pixels(once, orange)


def test_a_map_of_zeros_is_white_and_not_against_the_class() -> None:
    flat = np.zeros((5, 5), np.float32)
    maps = {(rung, "occlusion"): flat for rung in RUNGS}
    content = figures.sheet(figures.Sheet(flat[..., None], RUNGS, ["occlusion"], maps, frozenset(), flat))
    assert pixels(content, AGAINST) == 0
    assert pixels(content, NEUTRAL) > 4 * 200**2  # three maps and the white-box one, at least 200 pixels wide


def test_rungs_share_the_scale_of_their_maps() -> None:
    one = np.full((5, 5), 1.0, np.float32)
    maps = {("float", "occlusion"): one, ("board", "occlusion"): one / 2}
    content = figures.sheet(figures.Sheet(one[..., None], ["float", "board"], ["occlusion"], maps, frozenset(), None))
    assert 200**2 < pixels(content, FOR) < 260**2  # one of the two at full strength


def test_a_ladder_of_one_rung_has_nothing_to_compare(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, rungs=("onnx",), explainers=("occlusion",), gradients=False)
    text = reported(edit(folder, lambda table: table.update(cross_check=None))).text
    assert "The ladder has one rung, onnx , with an accuracy of 90.00 %" in text
    assert "The reference is not a torch module" in text
    assert "Integrated gradients" not in text
    assert not (folder / "figures" / "agreements.png").exists()


def test_twelve_rungs_fit_the_page(tmp_path: Path) -> None:
    write_report(run_folder(tmp_path, rungs=tuple(f"int8-tflite-micro-{place}" for place in range(12))))
    for picture in (tmp_path / "figures").iterdir():
        wide = int.from_bytes(picture.read_bytes()[16:20])
        assert wide <= figures.WIDTH * figures.INCH * figures.SHARP + 2


def test_gates_come_with_all_they_measured(run: Path) -> None:
    text = page(run).text
    assert "same label on 98.7 % of the samples" in text
    assert "signal to quantization noise of the scores: 31.4 dB" in text
    assert "input: scale 0.5, zero point −3" in text
    assert "novel: 4.25" in text  # a gate that this page does not know yet


def test_a_heavy_figure_is_written_in_fewer_colours(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((512, 512, 3)).astype(np.float32)
    maps = {("float", "occlusion"): noise[..., 0]}
    content = figures.sheet(figures.Sheet(noise, ["float"], ["occlusion"], maps, frozenset(), None))
    assert content[25] == 3  # the palette's colour type


def test_a_folder_without_an_audit_is_sent_to_the_audit(tmp_path: Path) -> None:
    (run_folder(tmp_path) / "audit.json").unlink()
    with pytest.raises(InputError, match=r"audit\.json: no such file.*run samewhy audit STUDY\.toml --out DIR first"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_audit_of_another_schema_is_refused(tmp_path: Path) -> None:
    folder = edit(run_folder(tmp_path), lambda table: table.update(schema=99))
    with pytest.raises(InputError, match="audit schema 99, expected 2"):
        write_report(folder)


def test_an_audit_that_lacks_a_pair_is_refused(tmp_path: Path) -> None:
    folder = edit(run_folder(tmp_path), lambda table: table["agreements"].pop())
    with pytest.raises(InputError, match="audit it anew"):
        write_report(folder)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1.0, "1"),
        (0.95, "0.950"),
        (0.9996, "0.99960"),
        (0.999999, "0.999999"),
        (-0.25, "−0.250"),
        (0.0, "0.000"),
        (-0.0001, "0.000"),
    ],
)
def test_no_value_below_one_is_rounded_to_it(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.01234, "0.0123"), (1.156, "1.16"), (23.4, "23.4"), (1234.5, "1234"), (0.0, "0")]
)
def test_milliseconds_keep_three_digits(value: float | None, text: str) -> None:
    assert words.milliseconds(value) == text


@pytest.mark.parametrize(("flips", "text"), [(0, "100 %"), (1, "99.950 %"), (80, "96.0 %")])
def test_only_no_flip_at_all_is_a_hundred_percent(flips: int, text: str) -> None:
    assert words.same_labels({"flips": flips, "tested": 2000}) == text


def test_powers_of_ten_are_raised() -> None:
    assert words.scientific(3.57e-7) == "3.6\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁷"
    assert words.scientific(0.05) == "0.05"


def lines(*rows: dict[str, Any], causes: Any = ()) -> list[str]:
    """Of rungs a and b below the reference."""
    study = {"margin": 0.05, "reference": "float", "measures": [{"name": "spearman"}]}
    names = [{"name": name} for name in dict.fromkeys(["float", *(row["rung"] for row in rows)])]
    return words.verdict_lines({"study": study, "rungs": names, "verdicts": rows, "causes": list(causes)})


def test_the_same_reasons_are_said_with_the_margin() -> None:
    found = lines(verdict("int8", "float", "occlusion"), verdict("int8", "float", "rise"))
    assert found == [
        "int8 decides for the same reasons as float, within 0.05 Spearman, by occlusion and rise.",
    ]


def test_a_copy_is_said_to_be_one() -> None:
    found = lines(verdict("onnx", "float", "rise", beyond_noise=False))
    assert found == ["onnx decides for the same reasons as float by rise, with no difference beyond rounding."]


def test_other_reasons_are_said_with_what_is_lost_at_least() -> None:
    found = lines(
        verdict("pruned", "float", "occlusion", "changed", loss=0.2, low=0.1534, high=0.25),
        verdict("pruned", "float", "rise"),
    )
    assert found == [
        "pruned decides for the same reasons as float, within 0.05 Spearman, by rise; "
        "decides for other reasons than float by occlusion (at least 0.153 lost)."
    ]


NOISE = {"word": "undecided", "reason": "noise"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"samples": 60, "queries": None, "times": 2.0}, "about 60 more samples would decide"),
        ({"samples": 1, "queries": None, "times": 2.0}, "about 1 more sample would decide"),
        ({"samples": None, "queries": 1512, "times": 2.0}, "about 1,512 more queries a sample would decide"),
        (
            {"samples": 60, "queries": 512, "times": 2.0},
            "about 60 more samples, or about 512 more queries a sample, would decide",
        ),
        (
            {"samples": None, "queries": None, "times": 3.2},
            "about 3.2 times as many samples and queries would decide",
        ),
        (
            {"samples": None, "queries": None, "times": None},
            "even a hundred times as many samples or queries would not decide",
        ),
    ],
)
def test_what_is_undecided_says_what_would_decide(more: dict[str, Any], said: str) -> None:
    assert lines(verdict("int8", "float", "rise", **NOISE, more=more)) == [f"int8 is undecided by rise ({said})."]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("few", "it takes two samples at least"),
        ("floor", "random maps lose no more than the margin either, so it cannot tell"),
        ("undefined", "samples without a defined agreement, 3 at most, could turn the verdict"),
    ],
)
def test_other_reasons_to_say_nothing_are_said(reason: str, said: str) -> None:
    found = lines(verdict("int8", "float", "rise", "undecided", reason=reason, undefined=3))
    assert found == [f"int8 is undecided by rise ({said})."]


def test_rungs_of_one_mind_share_a_sentence_that_holds_for_all_of_them() -> None:
    rows = [
        verdict("a", "float", "rise", "changed", low=0.2),
        verdict("a", "float", "lime", **NOISE, more={"samples": 10, "queries": 99, "times": None}),
        verdict("b", "float", "rise", "changed", low=0.1),
        verdict("b", "float", "lime", **NOISE, more={"samples": 70, "queries": None, "times": None}),
        verdict("c", "float", "rise"),
        verdict("c", "a", "rise", "changed"),  # against the rung above: no part of the sentences
        verdict("c", "float", "lime"),
    ]
    assert lines(*rows) == [
        "a and b decide for other reasons than float by rise (at least 0.100 lost); "
        "are undecided by lime (about 70 more samples would decide).",
        "c decides for the same reasons as float, within 0.05 Spearman, by rise and lime.",
    ]


def test_the_step_that_changed_the_reasons_is_named_with_what_changed_there() -> None:
    step = {"reference": "a", "rung": "b", "changed": ["artifact", "runtime"]}
    causes = [
        {"explainer": "rise", "step": step},
        {"explainer": "lime", "step": step},
        {"explainer": "sobol", "step": None},
        {"explainer": "hsic", "step": None},
    ]
    rows = [verdict("b", "float", one, "changed") for one in ("rise", "lime", "sobol")]
    found = lines(*rows, verdict("b", "float", "hsic"), causes=causes)[1:]
    assert found == [
        "By rise and lime, the first step that changed the reasons is from a to b, "
        "where the artifact and runtime changed.",
        "By sobol, no single step is shown to have changed the reasons: the loss adds up.",
    ]


def test_a_step_where_nothing_changed_is_no_riddle_untold() -> None:
    causes = [{"explainer": "rise", "step": {"reference": "float", "rung": "b", "changed": []}}]
    found = lines(verdict("b", "float", "rise", "changed"), causes=causes)
    assert found[1].endswith("from float to b, where nothing that is recorded changed.")


def test_the_page_begins_with_the_verdicts(tmp_path: Path) -> None:
    source = write_report(run_folder(tmp_path)).read_text()
    first = source.index("int8-xnnpack and board decide for the same reasons as float, within 0.05 Spearman, by")
    assert source.index("<h1>") < first < source.index('class="lead"')


def test_the_table_of_verdicts_goes_down_the_ladder_against_the_reference_first(tmp_path: Path) -> None:
    def undecide(table: dict[str, Any]) -> None:
        more = {"samples": 60, "queries": None, "times": None}
        table["verdicts"][1].update(verdict="undecided", reason="noise", more=more, low=-0.00001, beyond_noise=False)

    folder = write_report(edit(run_folder(tmp_path), undecide)).parent
    _, *rows = cells(folder, "verdicts")
    assert [row[:3] for row in rows] == [
        ["int8-xnnpack", "float", "occlusion"],
        ["int8-xnnpack", "float", "rise-published"],
        ["board", "float", "occlusion"],
        ["board", "float", "rise-published"],
        ["board", "int8-xnnpack", "occlusion"],
        ["board", "int8-xnnpack", "rise-published"],
    ]
    assert rows[0][3:] == ["same", "0.0123 [0.0101, 0.0152]", "yes", "–"]
    assert rows[2][3:] == ["undecided", "0.0123 [0.0000, 0.0152]", "no", "about 60 more samples would decide"]


def test_an_undefined_loss_is_a_dash() -> None:
    assert words.lost({"loss": None, "low": None, "high": None}) == "–"


def test_each_class_says_what_it_pays(run: Path) -> None:
    head, cat, dog = cells(run, "classes")
    assert head == ["Class", "Samples", *RUNGS, "Spearman", "of"]
    assert cat[0] == CLASSES[0]
    assert cat[1:] == ["1,000", "80.0 %", "70.0 % 7 flipped", "60.0 % 14 flipped", "0.700 [0.600, 0.950]", "2"]
    assert dog[1:] == ["1,001", "81.0 %", "71.0 % 8 flipped", "61.0 % 15 flipped", "0.800 [0.600, 0.950]", "3"]


def test_a_class_that_moved_most_is_named_where_that_is_more_than_chance(run: Path, tmp_path: Path) -> None:
    assert "No class’s maps moved more than the others’ beyond chance" in page(run).text
    folder = edit(run_folder(tmp_path), lambda table: table["moved"][1].update(p=0.012))
    text = reported(folder).text
    assert f"{CLASSES[0]} is the class whose occlusion maps moved most on board (p = 0.012," in text
    assert "No class’s maps moved" not in text
    assert text.count("moved most on") == 1


def test_calibration_stands_beside_that_of_a_calibrated_network(run: Path) -> None:
    text = page(run).text
    assert "board 0.0321 0.0123 0.2000 [0.1900, 0.2100] softmax" in text
    assert "calibration error over 15 bins" in text


def test_maps_that_cannot_be_resolved_are_counted_and_shown(run: Path, tmp_path: Path) -> None:
    assert "Every map of every rung can be resolved" in page(run).text
    text = reported(edit(run_folder(tmp_path), lambda table: table["resolution"][4].update(unresolvable=3))).text
    assert "board , occlusion: 3 of 5 maps cannot be resolved" in text
    assert "not an importance of zero" in text
    assert "Every map of every rung" not in text
    assert "board rise-published 0.0039 25.0 % 12.5 50.0 % 0 of 5" in text


def test_maps_are_held_against_the_truth_beside_chance_and_the_reference(tmp_path: Path) -> None:
    text = reported(run_folder(tmp_path)).text
    assert "Does it point at the object" in text
    assert "0.172" in text
    assert "0.890" in text
    assert "−0.010" in text


def test_without_a_truth_nothing_is_said_of_it(tmp_path: Path) -> None:
    text = reported(edit(run_folder(tmp_path), lambda table: table.update(localisation=[]))).text
    assert "Does it point at the object" not in text
