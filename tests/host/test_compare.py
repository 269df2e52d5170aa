import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from samewhy_edge import cli as edge_cli
from samewhy_edge.errors import InputError
from samewhy_host import cli
from samewhy_host.audit import measure_rows
from samewhy_host.compare import compared, told
from tests.host.audited import DOWN, EXPLAINERS, FLAT, MAPS, RUNGS, UP, Table, audit_table, write_run

KINDS = ("rungs", "explainers", "agreements", "verdicts", "maps")


def two(folder: Path, table: Table | None = None, maps: Any = MAPS, **identity: Any) -> Table:
    """A run beside one with another audit, other maps, or records of another identity."""
    return compared(write_run(folder / "one"), write_run(folder / "other", table, maps, **identity))


def text_of(found: Table, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO())
    for part in told(found):
        console.print(part, highlight=False)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def only(rows: list[Table], **wanted: str) -> Table:
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return row


def test_a_run_beside_itself_differs_in_nothing(tmp_path: Path) -> None:
    found = two(tmp_path)
    assert found["equal"]
    assert found["samples"]
    assert found["study"] == []
    assert [row["in"] for kind in ("rungs", "explainers") for row in found[kind]] == ["both"] * 5
    assert [row["differs"] for kind in ("rungs", "explainers") for row in found[kind]] == [[]] * 5
    assert {row["difference"] for row in found["agreements"]} == {0.0}
    assert {row["apart"] for row in found["agreements"]} == {False}
    assert all(row["verdicts"][0] == row["verdicts"][1] for row in found["verdicts"])
    assert [row["equal"] for row in found["maps"]] == [True] * len(RUNGS) * len(EXPLAINERS)


def test_nothing_of_either_run_is_left_out(tmp_path: Path) -> None:
    found = two(tmp_path)
    table = audit_table()
    lengths = (len(RUNGS), len(EXPLAINERS), len(table["agreements"]), len(table["verdicts"]), 6)
    assert tuple(len(found[kind]) for kind in KINDS) == lengths
    assert found["runs"] == [str(tmp_path / "one"), str(tmp_path / "other")]


def test_settings_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    table = audit_table()
    table["study"] |= {"seed": 8, "sha256": "6" * 64, "margin": 0.05}
    assert two(tmp_path, table)["study"] == [
        {"key": "margin", "values": [None, 0.05]},
        {"key": "seed", "values": [7, 8]},
        {"key": "sha256", "values": ["5" * 64, "6" * 64]},
    ]


@pytest.mark.parametrize(("key", "value"), [("id", "test/9"), ("label", 1), ("target", 0)])
def test_other_samples_labels_or_targets_are_told(key: str, value: Any, tmp_path: Path) -> None:
    table = audit_table()
    table["samples"][0][key] = value
    found = two(tmp_path, table)
    assert not found["samples"]
    assert "audited samples: others" in text_of(found)


def test_a_rung_tells_in_what_it_differs(tmp_path: Path) -> None:
    table = audit_table()
    table["rungs"][1] |= {"artifact": "9" * 64, "accuracy": 0.8, "flips": 70, "machine": "aarch64"}
    row = only(two(tmp_path, table)["rungs"], name="pruned")
    assert row["differs"] == ["artifact", "machine", "accuracy", "flips"]
    assert (row["accuracy"], row["flips"], row["bytes"]) == ([0.9105, 0.8], [30, 70], [3000, 3000])
    assert row["artifact"] == ["1" * 64, "9" * 64]


def test_what_one_run_alone_has_is_there_with_its_own_values(tmp_path: Path) -> None:
    found = two(tmp_path, audit_table(RUNGS[:2]))
    row = only(found["rungs"], name="int8")
    assert (row["in"], row["accuracy"], row["differs"]) == ("first", [0.8985, None], [])
    agreement = only(found["agreements"], rung="int8", reference="pruned", explainer="rise", measure="spearman")
    assert agreement["values"][1] == {"value": None, "low": None, "high": None}
    assert (agreement["difference"], agreement["apart"]) == (None, None)
    assert {row["rung"] for row in found["maps"]} == set(RUNGS[:2])
    assert only(found["verdicts"], rung="int8", reference="float", explainer="rise")["verdicts"] == ["changed", None]
    swapped = compared(tmp_path / "other", tmp_path / "one")
    assert only(swapped["rungs"], name="int8")["in"] == "second"


def test_an_explainer_tells_in_what_it_differs(tmp_path: Path) -> None:
    table = audit_table()
    table["study"]["explainers"][1] |= {"queries": 32, "plan": "8" * 64}
    row = only(two(tmp_path, table)["explainers"], name="rise")
    assert (row["differs"], row["plan"]) == (["plan", "queries"], ["1" * 64, "8" * 64])


@pytest.mark.parametrize(
    ("value", "low", "high", "difference", "apart"),
    [
        (0.7, 0.65, 0.74, -0.2, True),  # below 0.85, where the first begins
        (0.84, 0.8, 0.85, -0.06, False),  # they touch
        (0.95, 0.94, 0.99, 0.05, False),
        (0.97, 0.95, 0.99, 0.07, True),  # above 0.94, where the first ends
        (0.92, 0.9, 0.99, 0.02, False),
        (None, None, None, None, None),
    ],
)
def test_an_agreement_has_its_difference_and_both_intervals(
    value: float | None, low: float | None, high: float | None, difference: float | None, apart: bool, tmp_path: Path
) -> None:
    table = audit_table()
    names = {"rung": "pruned", "reference": "float", "explainer": "occlusion", "measure": "spearman"}
    only(table["agreements"], **names).update(value=value, low=low, high=high)
    row = only(two(tmp_path, table)["agreements"], **names)
    assert row["values"] == [{"value": 0.9, "low": 0.85, "high": 0.94}, {"value": value, "low": low, "high": high}]
    assert row["difference"] == difference
    assert row["apart"] is apart


def test_maps_of_the_same_questions_are_compared_sample_by_sample(tmp_path: Path) -> None:
    maps = dict(MAPS, pruned=[UP, UP, FLAT])  # equal, reversed, and flat in both: undefined
    found = two(tmp_path, maps=maps)
    row = only(found["maps"], rung="pruned", explainer="rise")
    assert (row["why_not"], row["equal"]) == (None, False)
    spearman = only(row["agreements"], measure="spearman")
    assert (spearman["value"], spearman["samples"], spearman["undefined"]) == (0.0, 2, 1)
    assert (spearman["low"], spearman["high"]) == (-1.0, 1.0)
    assert [one["measure"] for one in row["agreements"]] == [one["name"] for one in measure_rows()]
    assert only(found["maps"], rung="int8", explainer="rise")["equal"]


def test_maps_that_agree_without_being_equal_are_not_called_equal(tmp_path: Path) -> None:
    doubled = dict(MAPS, int8=(2 * np.array(MAPS["int8"])).tolist())
    row = only(two(tmp_path, maps=doubled)["maps"], rung="int8", explainer="occlusion")
    assert not row["equal"]
    assert only(row["agreements"], measure="spearman")["value"] == 1.0


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ({"plan": "9" * 64}, "other masks"),
        ({"samples": ("a" * 64, "c" * 64, "b" * 64)}, "other samples"),
        ({"targets": (1, 0, 1)}, "other targets"),
        ({"explainer": {"name": "rise", "fill": "mean"}}, "other settings"),
        ({"plan": "9" * 64, "targets": (1, 0, 1)}, "other targets and other masks"),
    ],
)
def test_maps_of_other_questions_are_not_compared(identity: Table, why: str, tmp_path: Path) -> None:
    row = only(two(tmp_path, **identity)["maps"], rung="int8", explainer="rise")
    assert row == {"rung": "int8", "explainer": "rise", "why_not": why}
    assert why in text_of(compared(tmp_path / "one", tmp_path / "other"))


def test_another_study_seconds_or_rung_are_no_reason_against_a_comparison(tmp_path: Path) -> None:
    found = two(tmp_path, study="6" * 64, seconds=99.0, versions={"samewhy": "9"})
    assert {row["why_not"] for row in found["maps"]} == {None}


@pytest.mark.parametrize(("folder", "why"), [("one", "the first"), ("other", "the second")])
def test_a_run_without_a_record_says_so(folder: str, why: str, tmp_path: Path) -> None:
    two(tmp_path)
    (tmp_path / folder / "records" / "int8--rise.json").unlink()
    found = compared(tmp_path / "one", tmp_path / "other")
    assert only(found["maps"], rung="int8", explainer="rise")["why_not"] == f"no record in {why}"
    assert only(found["maps"], rung="int8", explainer="occlusion")["why_not"] is None


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    two(tmp_path)
    (tmp_path / "other" / "records" / "int8--rise.json").write_text("{")
    with pytest.raises(InputError, match=r"int8--rise\.json: not readable as JSON"):
        compared(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_that_was_not_audited_is_named(place: int, tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    runs = [tmp_path / "one", tmp_path / "none"]
    with pytest.raises(InputError, match=r"none/audit\.json: no such file"):
        compared(*(runs if place else runs[::-1]))


def test_a_verdict_that_changed_has_both_words(tmp_path: Path) -> None:
    table = audit_table()
    names = {"rung": "int8", "reference": "float", "explainer": "rise"}
    only(table["verdicts"], **names).update(verdict="same", loss=0.001)
    found = two(tmp_path, table)
    row = only(found["verdicts"], **names)
    assert (row["verdicts"], row["losses"]) == (["changed", "same"], [0.03, 0.001])
    text = text_of(found)
    assert "verdicts: 5 of 6 the same" in text
    assert ["int8", "float", "rise", "changed", "same"] in [line.split() for line in text.splitlines()]


def test_runs_without_verdicts_can_be_compared(tmp_path: Path) -> None:
    table = audit_table()
    del table["verdicts"]
    one, other = (write_run(tmp_path / name, table) for name in ("one", "other"))
    found = compared(one, other)
    assert found["verdicts"] == []
    assert "verdicts:" not in text_of(found)


def test_the_text_of_equal_runs_is_short(tmp_path: Path) -> None:
    lines = text_of(two(tmp_path)).splitlines()
    assert lines[2:] == [
        "audits: equal in every number",
        "study: the same",
        "audited samples: the same",
        "rungs: 3 of 3 the same",
        "maps: 6 of 6 equal bit for bit",
        "agreements: 30 of 30 equal",
        "verdicts: 6 of 6 the same",
    ]


def test_the_text_shows_what_differs_and_only_that(tmp_path: Path) -> None:
    table = audit_table()
    table["study"] |= {"seed": 8, "sha256": "6" * 64}
    table["study"]["explainers"][1]["queries"] = 32
    table["rungs"][1] |= {"accuracy": 0.8}
    table["agreements"][0] |= {"value": 0.7, "low": 0.65, "high": 0.74}
    table["agreements"][1] |= {"value": 0.6}
    text = text_of(two(tmp_path, table, dict(MAPS, pruned=[DOWN, DOWN, FLAT])))
    rows = [line.split() for line in text.splitlines()]
    for row in (
        ["seed", "7", "8"],
        ["sha256", "555555555555", "666666666666"],
        ["rise", "other", "queries"],
        ["rungs:", "2", "of", "3", "the", "same"],
        ["pruned", "accuracy", "0.9105", "0.8"],
        ["maps:", "4", "of", "6", "equal", "bit", "for", "bit"],
        ["pruned", "rise", "0.000", "[-1.000,", "1.000]"],
        ["agreements:", "28", "of", "30", "equal"],
        ["pruned", "float", "occlusion", "0.900", "[0.850,", "0.940]", "0.700", "[0.650,", "0.740]", "-0.200", "apart"],
    ):
        assert row in rows
    assert "audits: equal" not in text
    assert "1 more by other measures than spearman" in text


def test_the_text_says_which_run_has_a_rung_or_an_explainer(tmp_path: Path) -> None:
    table = audit_table(RUNGS[:2])
    table["study"]["explainers"][1]["name"] = "lime"
    rows = [line.split() for line in text_of(two(tmp_path, table)).splitlines()]
    for row in (["int8", "there", "yes", "no"], ["rise", "yes", "no"], ["lime", "no", "yes"]):
        assert row in rows
    assert ["pruned", "float", "occlusion", "0.900", "[0.850,", "0.940]"] not in [row[:6] for row in rows]


def test_markup_in_a_name_is_shown_as_it_is(tmp_path: Path) -> None:
    table = audit_table()
    table["study"]["question"] = "[red]why[/red]"
    assert "[red]why[/red]" in text_of(two(tmp_path, table))


def test_the_verb_writes_all_of_it_and_ends_with_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edge_cli.app.command("compare")(cli.compare)
    monkeypatch.setattr(cli, "NEEDED", ("a_package_that_is_not_there",))  # a run's files need no torch
    found = two(tmp_path, audit_table(RUNGS[:2]))
    words = ["compare", str(tmp_path / "one"), str(tmp_path / "other"), "--out", str(tmp_path / "new" / "both.json")]
    done = CliRunner().invoke(edge_cli.app, words)
    assert (done.exit_code, done.exception) == (0, None)
    assert json.loads((tmp_path / "new" / "both.json").read_text()) == found


def test_the_verb_refuses_what_is_no_run(tmp_path: Path) -> None:
    edge_cli.app.command("compare")(cli.compare)
    done = CliRunner().invoke(edge_cli.app, ["compare", str(tmp_path), str(tmp_path)])
    assert isinstance(done.exception, InputError)
