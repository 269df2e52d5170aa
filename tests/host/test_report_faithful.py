"""Faithfulness and the twin on the page: what the audit holds is what a reader sees."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from samewhy_host.manifest import Manifest
from samewhy_host.report import faithful, page, words
from samewhy_host.report.reading import Finished

RUNGS, EXPLAINERS, MEASURES = ("float", "int8"), ("occlusion", "rise"), ("deletion", "insertion", "coherency")


def faithfulness_row(rung: str, explainer: str, measure: str) -> dict[str, Any]:
    place = MEASURES.index(measure) + 10 * EXPLAINERS.index(explainer) + 100 * RUNGS.index(rung)
    moved = {"moved": place / 1e4, "moved_low": 0.0, "moved_high": 0.5}
    if measure == "deletion":
        moved = {"moved": -0.0123, "moved_low": -0.02, "moved_high": -0.01}
    names = {"rung": rung, "explainer": explainer, "measure": measure}
    return {**names, "value": 0.5 + place / 1e4, "samples": 5, "undefined": 0, "floor": 0.25, **moved}


def lent_row(explainer: str, measure: str) -> dict[str, Any]:
    names = {"rung": "int8", "explainer": explainer, "measure": measure}
    ends = {"cost": 0.0321, "cost_low": 0.0101, "cost_high": 0.0602}
    return {**names, "own": 0.7123, "lent": 0.6802, **ends, "samples": 5, "undefined": 0}


AUDIT: dict[str, Any] = {
    "study": {
        "level": 0.95,
        "explainers": [{"name": name} for name in EXPLAINERS],
        "measures": [{"name": "spearman"}],
        "faithfulness_measures": [
            {
                "name": name,
                "better": "lower" if name == "deletion" else "higher",
                "span": [0, None],
                "queries": 33,
                "explains_again": name == "coherency",
                "convention": "so <b>and</b> so",
                "source": "Somebody 1999",
            }
            for name in MEASURES
        ],
        "shape_measures": [],
    },
    "rungs": [{"name": name} for name in RUNGS],
    "faithfulness": [
        faithfulness_row(*names)
        for names in np.array(np.meshgrid(RUNGS, EXPLAINERS, MEASURES)).T.reshape(-1, 3).tolist()
    ],
    "cross": [lent_row(explainer, measure) for explainer in EXPLAINERS for measure in MEASURES[:2]],
    "twin": {
        "accuracy": 0.9,
        "agreements": [{"explainer": "rise", "measure": "spearman", "value": 0.66, "low": 0.6, "high": 0.7}],
    },
}


def finished(**changes: Any) -> Finished:
    made = Manifest("Why?", 0, "5" * 64, {}, (), (), (), (), {})
    known: dict[str, Any] = dict(
        timings={},
        manifest=made,
        samples=np.zeros((1, 4, 4, 1), np.float32),
        maps={},
        errors={},
        gradients=None,
        sanity=None,
        every_class=False,
    )
    return Finished({**AUDIT, **changes}, **known)


def section(found: Finished, pictures: Mapping[str, Any] | None = None) -> str:
    loader = FileSystemLoader(str(page.__file__).rpartition("/")[0])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters.update(words.FILTERS)
    known = {"study": found.audit["study"], "rungs": found.rungs, "pictures": pictures or {}, **faithful.view(found)}
    return environment.get_template("sections/faithfulness.html.j2").render(known)


def test_every_value_stands_in_its_own_cell() -> None:
    said = section(finished())
    for row in AUDIT["faithfulness"]:
        assert words.scored(row["value"]) in said
    tables = faithful.view(finished())["faithfulness"]
    assert [table["explainer"] for table in tables] == list(EXPLAINERS)
    for table in tables:
        for line in table["measures"]:
            assert [(cell["rung"], cell["measure"], cell["explainer"]) for cell in line["cells"]] == [
                (rung, line["name"], table["explainer"]) for rung in RUNGS
            ]


def test_a_change_is_loud_where_its_interval_leaves_out_zero_alone() -> None:
    said = section(finished())
    assert "<b>−0.012</b>" in said
    assert "<b>0.010</b>" not in said


def test_the_cost_of_lent_maps_stands_with_its_interval() -> None:
    said = section(finished())
    assert said.count("<b>0.032</b><br>[0.010, 0.060]") == len(AUDIT["cross"])
    assert "0.712, 0.680" in said


def test_words_of_the_audit_are_escaped() -> None:
    assert "so <b>and</b> so" not in section(finished())


@pytest.mark.parametrize("gone", [{"faithfulness": [], "cross": []}])
def test_a_run_that_judged_nothing_has_no_section_and_no_figure(gone: dict[str, Any]) -> None:
    found = finished(**gone)
    assert 'id="faithfulness"' not in section(found)
    assert faithful.figure(found) is None


def test_the_figure_has_a_block_an_explainer() -> None:
    both, one = (
        faithful.figure(finished()),
        faithful.figure(finished(study={**AUDIT["study"], "explainers": [{"name": "rise"}]})),
    )
    assert one is not None
    assert both is not None
    high = [int.from_bytes(content[20:24]) for content in (both, one)]  # of the PNG's IHDR
    assert high[0] > high[1] + 100


def test_undefined_values_are_gaps_and_dashes() -> None:
    rows = [
        {**row, "value": None, "moved": None, "moved_low": None, "moved_high": None, "undefined": 5}
        for row in AUDIT["faithfulness"]
    ]
    lent = [
        {**row, "own": None, "lent": None, "cost": None, "cost_low": None, "cost_high": None} for row in AUDIT["cross"]
    ]
    found = finished(faithfulness=rows, cross=lent)
    assert faithful.figure(found) is not None
    assert f"{words.NONE}, {words.NONE}" in section(found)


def test_the_twin_is_found_by_explainer_and_measure() -> None:
    row = finished().twin("rise", "spearman")
    assert row is not None
    assert row["value"] == 0.66
    assert finished().twin("occlusion", "spearman") is None
    assert finished(twin=None).twin("rise", "spearman") is None


@pytest.mark.parametrize(
    ("value", "said"), [(0.12345, "0.123"), (1.0, "1"), (291.067513, "291.1"), (-3045.729, "−3046"), (None, "–")]
)
def test_scores_beyond_one_have_four_digits(value: float | None, said: str) -> None:
    assert words.scored(value) == said
