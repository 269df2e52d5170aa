"""What the points of a sweep say together, and that one which fails loses no other."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samewhy_edge.errors import GateError
from samewhy_edge.files import write_json
from samewhy_host import sweeping
from samewhy_host.crew import Threads
from samewhy_host.report.sweep_figures import curve_keys, sweep_figure, verdict_keys
from samewhy_host.report.sweep_page import lines, write_sweep_report
from samewhy_host.run import Run
from samewhy_host.show import Show
from samewhy_host.sweep import Point, Sweep
from samewhy_host.sweeping import Outcome, csv_rows, over_seeds, ran, swept, table_of
from samewhy_host.tables import as_csv, level
from tests.host import audited, small
from tests.host.test_sweep import swept as sweep_of

Table = dict[str, Any]
AXES = "study.seed = [1, 2, 3]\ncompress.amount = [0.9, 0.5]\n"
ACCURACY = {0.5: 0.9, 0.9: 0.8}  # of int8; the reference has 0.9005
AGREEMENT = {(0.5, 1): 0.95, (0.5, 2): 0.97, (0.5, 3): 0.96, (0.9, 1): 0.5, (0.9, 2): 0.7, (0.9, 3): 0.6}
CHANGED = {(0.5, 3), (0.9, 1), (0.9, 3)}  # seeds and amounts at which occlusion's verdict is so


def audit_of(point: Point) -> Table:
    """An audit whose last rung has what the tables above say of the point."""
    key = point.settings["compress.amount"], point.settings["study.seed"]
    table = audited.audit_table() | {"localisation": [localised(name) for name in audited.RUNGS]}
    table["study"] |= {"margin": 0.05, "localisation_measures": [{"name": "pointing-game"}]}
    table["whitebox"] = {
        "agreements": [seen("pruned", key[0], "spearman"), seen("pruned", 0.0, "pearson")],
        "localisation": [localised(name, "grad-cam", key[0]) for name in ("float", "pruned")],
    }
    table["rungs"][-1]["accuracy"] = ACCURACY[key[0]]
    for row in table["agreements"] + table["verdicts"]:
        row |= {"ceiling": 0.99, "floor": 0.1, "undefined": 0}
        if row["rung"] == "int8" and row["reference"] == "float" and row["explainer"] == "occlusion":
            row |= {"value": AGREEMENT[key]} if "verdict" not in row else {}
            row |= {"verdict": "changed" if key in CHANGED else "same"} if "verdict" in row else {}
    return table


def localised(rung: str, explainer: str = "rise", value: float = 0.75) -> Table:
    known = {"value": value, "low": 0.7, "high": 0.8, "chance": 0.25}
    return {"rung": rung, "explainer": explainer, "measure": "pointing-game", **known}


def seen(rung: str, value: float, measure: str) -> Table:
    known = {"value": value, "low": value, "high": value, "floor": 0.2, "undefined": 0, "twin": None}
    return {"rung": rung, "reference": "float", "method": "grad-cam", "measure": measure, **known}


def outcomes(sweep: Sweep, *stopped: str) -> list[Outcome]:
    return [
        Outcome(one, None, "too much was lost") if one.name in stopped else Outcome(one, audit_of(one))
        for one in sweep.points
    ]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return sweep_of(tmp_path, AXES)


def values(table: Table) -> dict[float, Table]:
    (curve,) = table["curves"]
    return {one["x"]: one for one in curve["values"]}


def test_a_point_holds_its_settings_and_what_was_measured_on_every_rung(sweep: Sweep) -> None:
    point = table_of(sweep, outcomes(sweep))["points"][0]
    assert point["settings"] == {"study.seed": 1, "compress.amount": 0.9}
    assert (point["state"], point["message"], point["rung"]) == ("done", None, "int8")
    assert point["report"] == "points/seed-1--amount-0.9/report.html"
    assert [(row["name"], row["bytes"]) for row in point["rungs"]] == [
        ("float", 4000),
        ("pruned", 3000),
        ("int8", 2000),
    ]
    found = {(row["rung"], row["explainer"]): row for row in point["comparisons"]}
    assert set(found) == {(rung, name) for rung in ("pruned", "int8") for name in audited.EXPLAINERS}
    row = found["int8", "occlusion"]
    assert (row["value"], row["verdict"], row["ceiling"], row["floor"]) == (0.5, "changed", 0.99, 0.1)
    assert (row["loss"], row["loss_low"], row["loss_high"]) == (0.03, 0.01, 0.06)


def test_means_and_intervals_are_over_seeds(sweep: Sweep) -> None:
    row = values(table_of(sweep, outcomes(sweep)))[0.9]["explainers"]["occlusion"]
    assert row["value"] == pytest.approx(0.6)
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student's t with two degrees of freedom, and the deviation of 0.5, 0.6, 0.7
    assert (row["low"], row["high"]) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-5)
    assert row["verdicts"] == {"changed": 2, "same": 1}


def test_intervals_stay_where_the_measure_does() -> None:
    assert over_seeds([0.0, 1.0], 0.95, 0) == {"value": 0.5, "low": 0, "high": 1, "count": 2}
    assert over_seeds([0.25, None], 0.95, 0) == {"value": 0.25, "low": None, "high": None, "count": 1}
    assert over_seeds([None], 0.95, 0) == {"value": None, "low": None, "high": None, "count": 0}


def test_one_seed_has_the_interval_over_samples(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "study.seed = [1]\ncompress.amount = [0.5, 0.9]\n")
    found = values(table_of(sweep, outcomes(sweep)))[0.9]
    occlusion = found["explainers"]["occlusion"]
    known = next(row for row in audit_of(sweep.points[1])["agreements"] if row["rung"] == "int8")
    assert (occlusion["low"], occlusion["high"]) == (known["low"], known["high"])
    assert found["accuracy"]["low"] is None


def test_numbers_are_put_in_order_and_breaks_are_found(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep))
    assert list(values(table)) == [0.5, 0.9]
    (curve,) = table["curves"]
    assert curve["breaks"] == {"accuracy": [0.9], "reasons": {"occlusion": [0.9], "rise": [0.5, 0.9]}, "stopped": []}


def test_a_drop_of_just_the_bound_does_not_break(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "accuracy_drop = 0.1005\ncompress.amount = [0.9]\nstudy.seed = [1]\n")
    assert table_of(sweep, outcomes(sweep))["curves"][0]["breaks"]["accuracy"] == []


def test_other_axes_make_curves_of_their_own(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "study.seed = [1, 2]\ncompress.amount = [0.5, 0.9]\ndata.calibration = [50, 60]\n")
    table = table_of(sweep, outcomes(sweep))
    assert [curve["series"] for curve in table["curves"]] == [{"data.calibration": 50}, {"data.calibration": 60}]
    assert table["curves"][1]["values"][0]["points"] == [
        "seed-1--amount-0.5--calibration-60",
        "seed-2--amount-0.5--calibration-60",
    ]


def test_a_point_that_stopped_is_kept_with_its_sentence_and_counts_in_no_mean(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep, "seed-2--amount-0.9"))
    stopped = table["points"][2]
    assert (stopped["state"], stopped["message"], stopped["report"]) == ("stopped", "too much was lost", None)
    found = values(table)[0.9]
    assert found["stopped"] == ["seed-2--amount-0.9"]
    assert found["explainers"]["occlusion"]["value"] == pytest.approx(0.55)


def test_where_every_point_stopped_that_is_where_it_breaks(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep, *(f"seed-{seed}--amount-0.9" for seed in (1, 2, 3))))
    assert table["curves"][0]["breaks"]["stopped"] == [0.9]
    assert values(table)[0.9]["accuracy"]["value"] is None
    assert "no point was finished at 0.9" in next(iter(lines(table)))


def test_another_rung_may_be_followed_and_must_be_there(tmp_path: Path) -> None:
    other = sweep_of(tmp_path, 'rung = "pruned"\n' + AXES)
    assert values(table_of(other, outcomes(other)))[0.9]["accuracy"]["value"] == audited.ACCURACY["pruned"]
    none = sweep_of(tmp_path, 'rung = "int4"\n' + AXES)
    point = table_of(none, outcomes(none))["points"][0]
    assert point["state"] == "stopped"
    assert "'int4' is not on the ladder below its reference: float, pruned, int8" in point["message"]


def test_the_table_has_a_row_for_each_point_rung_and_explainer(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep, "seed-1--amount-0.9"))
    rows = list(csv.DictReader(io.StringIO(as_csv(level(list(csv_rows(table)))).decode())))
    assert len(rows) == 1 + 5 * (4 + 1)
    assert (rows[0]["name"], rows[0]["state"], rows[0]["message"]) == (
        "seed-1--amount-0.9",
        "stopped",
        "too much was lost",
    )
    row = next(row for row in rows if row["rung"] == "int8" and row["explainer"] == "rise")
    assert (row["compress.amount"], row["bytes"], row["accuracy_drop"]) == ("0.5", "2000", "0.0005")
    assert row["localisation pointing-game"] == "0.75"


def test_white_box_methods_are_of_the_last_torch_rung_that_is_not_below_the_one_followed(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep))
    assert table["study"]["methods"] == ["grad-cam"]
    found = values(table)[0.9]["methods"]["grad-cam"]
    assert (found["value"], found["floor"], found["count"]) == (0.9, 0.2, 3)
    assert "verdicts" not in found
    rows = [row for row in csv_rows(table) if row.get("explainer") == "grad-cam"]
    assert {row["rung"] for row in rows} == {"pruned"}
    assert rows[0]["localisation pointing-game"] == 0.9


def test_localisation_stands_beside_the_references_and_chance(sweep: Sweep) -> None:
    found = values(table_of(sweep, outcomes(sweep)))[0.5]["localisation"]
    assert sorted(found) == ["grad-cam", "rise"]
    assert [found["grad-cam"][key] for key in ("value", "reference", "chance")] == [0.5, 0.5, 0.25]


def test_the_figure_has_a_second_column_where_the_truth_is_known(sweep: Sweep) -> None:
    table = table_of(sweep, outcomes(sweep))
    table["study"]["localisation_measure"] = None
    plain = sweep_figure(table)
    table["study"]["localisation_measure"] = "pointing-game"
    assert len(sweep_figure(table)) > len(plain)


def test_the_figure_has_keys_for_what_it_draws_alone(tmp_path: Path) -> None:
    text = 'study.seed = [1]\n[[sweep.zip]]\nquantize.scheme = ["int8", "float16"]\ncompress.amount = [0.9, 0.5]\n'
    table = table_of(swept_now := sweep_of(tmp_path, text), outcomes(swept_now))
    assert {key.get_linestyle() for key in curve_keys(table)} == {"None"}  # values without an order are not joined
    table["study"] |= {"methods": [], "localisation_measure": None}
    marks = [key.get_label() for key in verdict_keys(table)]
    table["study"]["methods"] = ["grad-cam"]
    assert {key.get_label() for key in verdict_keys(table)} - set(marks) == {"no verdict"}


def test_the_answer_is_told_in_a_sentence(sweep: Sweep) -> None:
    assert list(lines(table_of(sweep, outcomes(sweep)))) == [
        "Accuracy is more than 1.0 % below the reference’s first at compress.amount 0.9; by occlusion the reasons are "
        "changed first at compress.amount 0.9; by rise the reasons are changed first at compress.amount 0.5."
    ]


def test_values_without_an_order_have_no_first_one(tmp_path: Path) -> None:
    text = 'study.seed = [1]\n[[sweep.zip]]\nquantize.scheme = ["int8", "float16"]\ncompress.amount = [0.9, 0.5]\n'
    table = table_of(swept_now := sweep_of(tmp_path, text), outcomes(swept_now))
    assert [curve["breaks"]["accuracy"] for curve in table["curves"]] == [["int8"], []]
    first, second = lines(table)
    assert first.startswith("With amount 0.9: accuracy is more than 1.0 % below the reference’s at int8;")
    assert second.startswith("With amount 0.5: accuracy is more than 1.0 % below the reference’s at no value;")


def test_the_page_has_everything_in_it_and_links_each_point(sweep: Sweep, tmp_path: Path) -> None:
    write_json(tmp_path / "sweep.json", table_of(sweep, outcomes(sweep, "seed-1--amount-0.9")))
    page = write_sweep_report(tmp_path).read_text()
    assert page.count('href="points/') == 5
    assert "http" not in page.replace("http-equiv", "")
    assert "too much was lost" in page
    assert "light-dark(" in page
    with Image.open(tmp_path / "sweep.png") as picture:
        assert picture.size[0] == 2120
    before = (tmp_path / "sweep.html").read_bytes(), (tmp_path / "sweep.png").read_bytes()
    write_sweep_report(tmp_path)
    assert before == ((tmp_path / "sweep.html").read_bytes(), (tmp_path / "sweep.png").read_bytes())


def test_a_sweep_of_which_nothing_was_finished_has_a_page_too(sweep: Sweep, tmp_path: Path) -> None:
    table = table_of(sweep, outcomes(sweep, *(one.name for one in sweep.points)))
    write_json(tmp_path / "sweep.json", table)
    assert "stopped" in write_sweep_report(tmp_path).read_text()


def test_every_point_has_its_folder_and_all_have_one_of_steps(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Run] = []

    def study(run: Run) -> None:
        runs.append(run)
        place = len(runs)
        if place == 2:
            raise GateError("the gate says no")
        if place == 3:
            raise RuntimeError("out of memory")
        write_json(run.folder / "audit.json", audit_of(sweep.points[place - 1]))

    told: list[str] = []
    monkeypatch.setattr(sweeping, "studied", study)
    swept(sweep, tmp_path, Show(told.append), Threads())
    assert [run.folder for run in runs] == [tmp_path / "points" / point.name for point in sweep.points]
    assert {run.steps.folder for run in runs} == {tmp_path / "steps"}
    table = json.loads((tmp_path / "sweep.json").read_text())
    assert [point["state"] for point in table["points"]] == ["done", "stopped", "stopped", "done", "done", "done"]
    assert [point["message"] for point in table["points"]][1:3] == ["the gate says no", "RuntimeError: out of memory"]
    assert "out of memory" in (tmp_path / "points" / sweep.points[2].name / "error.log").read_text()
    assert told[:3] == [
        "point 1 of 6: seed-1--amount-0.9",
        "point 2 of 6: seed-1--amount-0.5",
        "seed-1--amount-0.5 stopped: the gate says no",
    ]


def test_an_interrupt_ends_the_whole_sweep(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def study(run: Run) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeping, "studied", study)
    with pytest.raises(KeyboardInterrupt):
        ran(sweep.points[0], tmp_path, Show(), Threads())


def test_runs_with_one_folder_of_steps_are_otherwise_apart(tmp_path: Path) -> None:
    run = Run(small.study_file(tmp_path), tmp_path / "own", Show(), shared=tmp_path / "steps")
    assert run.steps.folder == run.tools.steps.folder == tmp_path / "steps"
    assert Run(run.file, run.folder, Show()).steps.folder == tmp_path / "own" / "steps"
