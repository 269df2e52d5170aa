import csv
import io
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from samewhy_edge import cli as edge_cli
from samewhy_edge.errors import ExtraError, InputError, OutputError
from samewhy_edge.files import write_json
from samewhy_host import cli, tables
from samewhy_host.audit import measure_rows
from samewhy_host.tables import PARQUET, as_csv, write_tables
from tests.host.audited import EXPLAINERS, RUNGS, SAMPLES, audit_table, write_run


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def of(rows: list[dict[str, str]], **wanted: str) -> list[str]:
    return [row["value"] for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_every_table_of_the_audit_and_the_samples_are_written(tmp_path: Path) -> None:
    written = write_tables(write_run(tmp_path))
    tried = ["cross", "faithfulness", "localisation"]
    names = sorted(["agreements", "calibration", "resolution", "rungs", "samples", "verdicts", *tried])
    assert sorted(path.name for path in written) == [f"{name}.csv" for name in names]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [f"{name}.csv" for name in names]


def test_the_numbers_of_the_audit_come_through_unchanged(tmp_path: Path) -> None:
    write_tables(write_run(tmp_path))
    known = audit_table()
    for name in ("agreements", "rungs"):
        rows = read(tmp_path / "tables" / f"{name}.csv")
        assert len(rows) == len(known[name])
        for row, expected in zip(rows, known[name], strict=True):
            numbers = {key: value for key, value in expected.items() if isinstance(value, int | float)}
            assert {key: float(row[key]) for key in numbers} == numbers
            assert row["changed"] == " ".join(expected["changed"])


def test_a_row_begins_with_what_it_is_of(tmp_path: Path) -> None:
    write_tables(write_run(tmp_path))
    header = (tmp_path / "tables" / "agreements.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["rung", "reference", "explainer", "measure"]


@pytest.mark.parametrize(
    ("rung", "reference", "values"),
    [
        ("pruned", "float", ["1.0", "-1.0", ""]),  # equal, reversed, flat
        ("int8", "float", ["-1.0", "-1.0", "1.0"]),
        ("int8", "pruned", ["-1.0", "1.0", ""]),
    ],
)
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_each_sample_has_the_agreement_of_its_own_maps(
    rung: str, reference: str, values: list[str], explainer: str, tmp_path: Path
) -> None:
    write_tables(write_run(tmp_path))
    rows = read(tmp_path / "tables" / "samples.csv")
    assert of(rows, rung=rung, reference=reference, explainer=explainer, measure="spearman") == values


def test_a_sample_s_row_says_which_it_is_and_what_the_rung_answered(tmp_path: Path) -> None:
    write_tables(write_run(tmp_path))
    rows = read(tmp_path / "tables" / "samples.csv")
    assert len(rows) == 3 * len(EXPLAINERS) * len(measure_rows()) * SAMPLES
    wanted = {"rung": "int8", "reference": "pruned", "explainer": "rise", "measure": "ssim"}
    mine = [row for row in rows if {key: row[key] for key in wanted} == wanted]
    assert [(row["id"], row["label"], row["target"], row["answer"]) for row in mine] == [
        ("test/0", "0", "1", "0"),
        ("test/1", "1", "1", "1"),
        ("test/2", "0", "1", "0"),
    ]


def test_no_pair_of_rungs_is_there_twice(tmp_path: Path) -> None:
    write_tables(write_run(tmp_path))
    seen: dict[tuple[str, ...], int] = defaultdict(int)
    for row in read(tmp_path / "tables" / "samples.csv"):
        seen[tuple(row[key] for key in ("id", "rung", "reference", "explainer", "measure"))] += 1
    assert set(seen.values()) == {1}
    assert {key[1:3] for key in seen} == {("pruned", "float"), ("int8", "float"), ("int8", "pruned")}


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (write_tables(write_run(tmp_path / name)) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_text_with_commas_quotes_and_other_letters_comes_back(tmp_path: Path) -> None:
    table = audit_table()
    table["samples"][0]["id"] = 'ä, "b"'
    write_tables(write_run(tmp_path, table))
    assert read(tmp_path / "tables" / "samples.csv")[0]["id"] == 'ä, "b"'


def test_what_is_nested_is_json_and_a_missing_value_an_empty_cell(tmp_path: Path) -> None:
    table = audit_table()
    table["verdicts"][0]["more"] = {"samples": 12}
    write_tables(write_run(tmp_path, table))
    rows = read(tmp_path / "tables" / "verdicts.csv")
    assert [row["more"] for row in rows] == ['{"samples": 12}', *[""] * (len(rows) - 1)]


def test_a_ladder_of_one_rung_has_no_agreements_and_an_empty_table_of_samples(tmp_path: Path) -> None:
    write_tables(write_run(tmp_path, audit_table(RUNGS[:1])))
    assert not (tmp_path / "tables" / "agreements.csv").exists()
    assert (tmp_path / "tables" / "samples.csv").read_text().strip() == ""
    assert as_csv([]).strip() == b""


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        ({"study": "6" * 64}, "study 666666666666, plan 0+, 3 samples; audit.json expects study 555555555555"),
        ({"plan": "9" * 64}, "plan 999999999999, 3 samples; .* plan 000000000000"),
    ],
)
def test_a_record_of_another_audit_is_refused(identity: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    write_run(tmp_path, **identity)
    with pytest.raises(InputError, match=sentence):
        write_tables(tmp_path)


def test_a_record_with_another_number_of_samples_is_refused(tmp_path: Path) -> None:
    table = audit_table()
    write_run(tmp_path, table)
    table["samples"].append({"id": "test/3", "label": 1, "target": 1})
    write_json(tmp_path / "audit.json", table)
    with pytest.raises(InputError, match=r"3 samples; audit\.json expects .* 4 samples; .*audit it anew"):
        write_tables(tmp_path)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    (write_run(tmp_path) / "records" / "pruned--rise.json").unlink()
    with pytest.raises(InputError, match=r"pruned--rise\.json: no such record"):
        write_tables(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_damaged_maps_are_named(content: bytes, tmp_path: Path) -> None:
    (write_run(tmp_path) / "records" / "pruned--rise.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"pruned--rise\.\w+: damaged \(.*audit the run anew"):
        write_tables(tmp_path)


def test_maps_of_which_a_byte_is_wrong_are_named(tmp_path: Path) -> None:
    path = write_run(tmp_path) / "records" / "pruned--rise.npz"
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"pruned--rise\.json: damaged \(.*audit the run anew"):
        write_tables(tmp_path)


def test_a_record_without_what_it_needs_is_damaged(tmp_path: Path) -> None:
    path = write_run(tmp_path) / "records" / "pruned--rise.json"
    path.write_text(path.read_text().replace('"plan"', '"plam"'))
    with pytest.raises(InputError, match=r"pruned--rise\.json: damaged"):
        write_tables(tmp_path)


def test_a_run_that_was_not_audited_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"audit\.json: no such file"):
        write_tables(tmp_path)
    assert not (tmp_path / "tables").exists()


def test_a_damaged_audit_is_named(tmp_path: Path) -> None:
    (write_run(tmp_path) / "audit.json").write_text('{"schema": ')
    with pytest.raises(InputError, match=r"audit\.json: not readable as JSON .*audit it anew"):
        write_tables(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (write_run(tmp_path) / "tables").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(tmp_path)


def test_parquet_without_its_library_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PARQUET", "a_package_that_is_not_there")
    with pytest.raises(
        ExtraError, match=r"does not load here .*; install it with: pip install 'a_package_that_is_not_there"
    ):
        write_tables(write_run(tmp_path), parquet=True)
    assert not (tmp_path / "tables").exists()


def test_parquet_says_why_its_library_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "for_another_numpy.py").write_text("raise ImportError('needs NumPy 2.0')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tables, "PARQUET", "for_another_numpy")
    with pytest.raises(ExtraError, match=r"does not load here \(needs NumPy 2\.0\)"):
        write_tables(write_run(tmp_path / "run"), parquet=True)


def test_parquet_holds_the_same_rows_with_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip(f"{PARQUET}.parquet", exc_type=ImportError)
    write_tables(write_run(tmp_path), parquet=True)
    for name in ("agreements", "rungs", "samples", "verdicts"):
        rows = parquet.read_table(tmp_path / "tables" / f"{name}.parquet").to_pylist()
        texts = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
        assert texts == read(tmp_path / "tables" / f"{name}.csv")
    assert isinstance(rows[0]["loss"], float)


def test_csv_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PARQUET, None)
    assert write_tables(write_run(tmp_path))


def test_the_verb_writes_them_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edge_cli.app.command("tables")(cli.tables)
    monkeypatch.setattr(cli, "NEEDED", ("a_package_that_is_not_there",))  # a run's files need no torch
    done = CliRunner().invoke(edge_cli.app, ["tables", str(write_run(tmp_path))])
    assert done.exit_code == 0
    assert (tmp_path / "tables" / "samples.csv").is_file()


@pytest.mark.parametrize("module", ["gate", "compare", "tables"])
def test_a_run_is_read_with_the_base_install_alone(module: str) -> None:
    heavy = [*cli.NEEDED, "numba", "captum"]
    code = f"import sys, samewhy_host.{module}; print(sorted(set(sys.modules) & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", ["gate", "compare", "tables"])
def test_the_package_declares_the_verb(verb: str) -> None:
    verbs = tomllib.loads(Path("pyproject.toml").read_text())["project"]["entry-points"]["samewhy.verbs"]
    assert EntryPoint(verb, verbs[verb], "samewhy.verbs").load() is getattr(cli, verb)
