import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from samewhy_edge import cli as edge_cli
from samewhy_edge import verify as verifying
from samewhy_edge.bundle import Bundle, unpack
from samewhy_edge.cli_verify import verify as verb
from samewhy_edge.errors import InputError
from samewhy_edge.files import npz_bytes
from samewhy_edge.litert import LiteRT
from samewhy_edge.record import load
from samewhy_edge.verify import equal_enough, verify
from tests.edge.bundles import DARK, FILE, TABLES, members, npy_bytes, write_bundle


def bundle(folder: Path, changed: dict[str, bytes] | None = None) -> Bundle:
    return unpack(write_bundle(folder / "made.samewhy", changed), folder / "there")


def arrays_of(member: str) -> dict[str, Any]:
    """Arrays of a member as it was packed."""
    with np.load(io.BytesIO(members()[1][member])) as arrays:
        return dict(arrays)


def test_the_machine_that_made_a_bundle_answers_as_it_did(tmp_path: Path) -> None:
    table = verify(bundle(tmp_path), tmp_path / "out")
    assert table["passed"]
    assert [row["name"] for row in table["rungs"]] == ["int8-xnnpack", "int8-reference"]
    for row in table["rungs"]:
        assert row["codes"]["equal"]
        assert row["codes"]["differing"] == row["flips"] == 0
        assert row["changed"] == []
        assert row["accuracy"] == row["accuracy_there"]
        assert all(one["kept"] for one in row["promises"])
        for one in row["explainers"]:
            assert all(rows["equal"] for rows in one["agreements"] if rows["against"] == "workstation")
    assert table["rungs"][0]["layers"] is None
    assert table["rungs"][1]["layers"]["first_diverging"] is None
    assert json.loads((tmp_path / "out" / "verify.json").read_text()) == table


def test_the_records_are_those_of_the_rung_with_the_bundles_masks(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    verify(made, tmp_path / "out", ["reference"])
    asked = made.index.explainers[1]
    record, arrays = load(tmp_path / "out" / "records" / f"int8-reference--{asked.name}.json")
    assert (record.plan, record.targets, record.study) == (asked.plan, tuple(made.targets), "5" * 64)
    assert record.rung.kernels == "reference"
    np.testing.assert_array_equal(arrays.maps, made.maps("int8-reference", asked.name))
    with np.load(tmp_path / "out" / "answers" / f"int8-reference--{asked.name}.npz") as answers:
        assert answers["answers"].shape == (2, asked.queries, 10)
    with np.load(tmp_path / "out" / "scores" / "int8-reference.npz") as scores:
        assert scores["scores"].shape == (10, 10)


def moved(member: str, name: str, place: int, by: float) -> dict[str, bytes]:
    """A member whose array differs in one value."""
    arrays = arrays_of(member)
    arrays[name].flat[place] += by
    return {member: npz_bytes(**arrays)}


def test_a_code_that_differs_is_counted_and_breaks_the_verification(tmp_path: Path) -> None:
    scale = verify(bundle(tmp_path / "own"), tmp_path / "own-out", ["reference"])["rungs"][0]["output"]["scale"]
    other = bundle(tmp_path, moved("scores/int8-reference.npz", "scores", 13, 2 * scale))
    table = verify(other, tmp_path / "out", ["reference"])
    (row,) = table["rungs"]
    assert not table["passed"]
    assert (row["codes"]["differing"], row["codes"]["largest"]) == (1, 2)
    assert row["codes"]["histogram"] == {"-2": 1, "0": 99}  # here less there


def test_a_label_that_flips_is_counted(tmp_path: Path) -> None:
    arrays = arrays_of("scores/int8-xnnpack.npz")
    worst = int(arrays["scores"][4].argmin())
    other = bundle(tmp_path, moved("scores/int8-xnnpack.npz", "scores", 40 + worst, 100))
    (row,) = verify(other, tmp_path / "out", ["xnnpack"])["rungs"]
    assert row["flips"] == 1
    assert row["flips_from_reference"] < 10


def test_the_first_operator_that_differs_is_named(tmp_path: Path) -> None:
    arrays = arrays_of("layers/int8-reference.npz")
    for name in ("5", "3"):
        arrays[name].flat[0] ^= 1
    other = bundle(tmp_path, {"layers/int8-reference.npz": npz_bytes(**arrays)})
    (row,) = verify(other, tmp_path / "out", ["reference"])["rungs"]
    rows = json.loads(members()[1]["layers/int8-reference.json"])
    assert row["layers"]["first_diverging"] == f"{rows[3]['place']} {rows[3]['operator']}"
    assert [one["differing"] for one in row["layers"]["rows"][:6]] == [0, 0, 0, 1, 0, 1]
    assert row["passed"], "inner tensors tell where, the answers decide"


def test_maps_that_differ_from_the_workstations_are_measured(tmp_path: Path) -> None:
    name = members()[0].explainers[0].name
    maps = arrays_of(f"maps/int8-xnnpack--{name}.npz")["maps"]
    other = bundle(tmp_path, {f"maps/int8-xnnpack--{name}.npz": npz_bytes(maps=-maps)})
    (row,) = verify(other, tmp_path / "out", ["xnnpack"])["rungs"]
    (found,) = (
        one
        for one in row["explainers"][0]["agreements"]
        if (one["against"], one["measure"]) == ("workstation", "spearman")
    )
    assert (found["value"], found["equal"]) == (-1, False)


def test_nothing_is_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundle(tmp_path)
    first = verify(made, tmp_path / "out", ["reference"])
    asked: list[int] = []
    monkeypatch.setattr(
        verifying, "check_predictor", lambda *_: iter(())
    )  # promises are asked anew, for they are about asking
    monkeypatch.setattr("samewhy_edge.litert.LiteRT._invoke", lambda self, codes: asked.append(len(codes)))
    again = verify(made, tmp_path / "out", ["reference"])
    assert not asked
    assert again["rungs"][0]["codes"] == first["rungs"][0]["codes"]


def test_a_run_that_was_cut_off_goes_on_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundle(tmp_path)
    monkeypatch.setattr(verifying, "check_predictor", lambda *_: iter(()))
    monkeypatch.setattr(verifying, "parting_of", lambda *_: None)
    counted, asked = LiteRT._invoke, list[int]()

    def count(self: LiteRT, codes: Any) -> Any:
        asked.append(len(codes))
        return counted(self, codes)

    monkeypatch.setattr(LiteRT, "_invoke", count)
    whole = verify(made, tmp_path / "whole", ["reference"])
    once, told = sum(asked), list[int]()
    asked.clear()

    def cut(name: str, total: int) -> Any:
        def advance(more: int) -> None:
            told.append(more)
            if sum(told) > 13:  # the test split, and some masks of the first explainer
                raise KeyboardInterrupt

        return advance

    with pytest.raises(KeyboardInterrupt):
        verify(made, tmp_path / "cut", ["reference"], cut)
    assert 0 < sum(asked) < once
    assert verify(made, tmp_path / "cut", ["reference"]) == whole
    assert sum(asked) == once, "what was answered before the cut is not asked again"


def test_masks_of_another_version_are_refused(tmp_path: Path) -> None:
    dark = npy_bytes(np.full((28, 28, 1), 0.9, np.float32))  # another background hides other positions
    scores = arrays_of(f"asked/{members()[0].explainers[1].name}.npz")["scores"][:, ::-1]
    changed = {DARK["file"]: dark, f"asked/{members()[0].explainers[1].name}.npz": npz_bytes(scores=scores)}
    with pytest.raises(InputError, match=r"masks of hierarchy.*expected the same bytes, from the version.*0\.1\.0"):
        verify(bundle(tmp_path, changed), tmp_path / "out", ["reference"])


def test_a_file_that_cannot_be_opened_says_why_and_the_others_are_verified(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    made.model(made.index.rungs[0]).write_bytes(FILE.read_bytes()[:1000])
    table = verify(made, tmp_path / "out")
    assert not table["passed"]
    assert all(row["why_not"] for row in table["rungs"])


def test_kernels_that_the_bundle_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--kernels builtin; the bundle has rungs of: reference, xnnpack"):
        verify(bundle(tmp_path), tmp_path / "out", ["builtin"])


@pytest.mark.parametrize(
    ("kernels", "codes", "last", "enough"),
    [
        ("reference", {"equal": True}, "ADD", True),
        ("reference", {"equal": False, "largest": 1}, "ADD", False),
        ("builtin", {"equal": False, "largest": 9}, "ADD", True),
        ("xnnpack", {"equal": False, "largest": 1}, "ADD", False),
        ("reference", {"equal": False, "largest": 1}, "SOFTMAX", True),
        ("reference", {"equal": False, "largest": 2}, "SOFTMAX", False),
        ("reference", {"equal": False, "largest_difference": 0.1, "bound": 0.01}, "SOFTMAX", False),
        ("xnnpack", {"equal": False, "largest_difference": 0.001, "bound": 0.01}, "ADD", True),
    ],
)
def test_what_is_promised_to_be_equal_must_be(kernels: str, codes: dict[str, Any], last: str, enough: bool) -> None:
    one = replace(members()[0].rungs[0], kernels=kernels)
    parting = {"rows": [{"operator": last}]}
    assert equal_enough(one, one.runtime, codes, parting) is enough
    assert equal_enough(one, "another-runtime 1.0", codes, parting)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    edge_cli.app.command("verify")(verb)

    def invoke(path: Path, *words: str) -> Result:
        return CliRunner().invoke(edge_cli.app, ["verify", str(path), "--out", str(tmp_path / "out"), *words])

    return invoke


def test_the_verb_ends_with_0_where_all_is_as_there(run: Any, tmp_path: Path) -> None:
    done = run(write_bundle(tmp_path / "made.samewhy"))
    assert (done.exit_code, done.exception) == (0, None)
    assert (tmp_path / "out" / "verify.json").is_file()


def test_the_verb_ends_with_1_where_codes_differ(run: Any, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "made.samewhy", moved("scores/int8-xnnpack.npz", "scores", 0, 100))
    assert run(path, "--kernels", "xnnpack").exit_code == 1


def test_a_bundle_that_is_hurt_leaves_nothing(run: Any, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "made.samewhy")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more", b"!")
    done = run(path)
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "out" / "verify.json").exists()


def test_tables_of_the_bundle_are_as_the_study_had_them() -> None:
    assert [one.table for one in members()[0].explainers] == list(TABLES)
