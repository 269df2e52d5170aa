import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.record import load
from tests.edge.serving import served
from tests.host.end_to_end import COMPRESS, PATCH, audit_of, corner, samewhy, start, write_study

RUNGS = [
    "float",
    "pruned-channels",
    "pruned-magnitude",
    "onnx",
    "tflite",
    "int8-xnnpack",
    "int8-builtin",
    "int8-reference",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), compress=COMPRESS)


@pytest.fixture(scope="session")
def run(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    done = samewhy("study", study, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_study_ends_with_every_rung_accurate_and_compared(run: Path) -> None:
    table = audit_of(run)
    assert [row["name"] for row in table["rungs"]] == RUNGS
    assert min(row["accuracy"] for row in table["rungs"]) > 0.9
    compared = {(row["rung"], row["reference"]) for row in table["agreements"]}
    neighbours = set(zip(RUNGS[2:], RUNGS[1:-1], strict=True))
    assert compared == {(name, "float") for name in RUNGS[1:]} | neighbours


def test_maps_find_the_patch_that_decides(run: Path) -> None:
    rows = [
        row for row in audit_of(run)["localisation"] if row["measure"] == "mask-auc" and row["explainer"] == "occlusion"
    ]
    assert [row["rung"] for row in rows] == RUNGS
    assert all(row["value"] > row["chance"] + 0.2 for row in rows)


def test_every_number_travels_with_its_company(run: Path) -> None:
    wanted = {"rung", "reference", "explainer", "measure", "value", "low", "high", "ceiling", "floor", "samples"}
    table = audit_of(run)
    assert all(wanted <= set(row) for row in table["agreements"])
    wanted = {"name", "artifact", "runtime", "kernels", "machine", "accuracy", "flips", "bytes"}
    assert all(wanted <= set(row) for row in table["rungs"])
    assert all(row["low"] <= row["value"] <= row["high"] for row in table["agreements"] if row["value"] is not None)


def test_conversion_alone_moves_no_reason(run: Path) -> None:
    rows = [row for row in audit_of(run)["agreements"] if (row["rung"], row["reference"]) == ("tflite", "onnx")]
    assert min(row["value"] for row in rows if row["measure"] == "pearson") > 0.99999


def test_all_rungs_were_asked_under_the_same_masks(run: Path) -> None:
    records = [json.loads(path.read_text()) for path in (run / "records").glob("*.json")]
    assert len(records) == len(RUNGS) * 3
    for name in ("occlusion", "rise-published", "rise-centred"):
        mine = [record for record in records if record["explainer"]["name"] == name]
        assert len({record["plan"] for record in mine}) == 1
        assert len({tuple(record["samples"]) for record in mine}) == 1


def test_the_occlusion_map_points_at_the_patch(run: Path) -> None:
    with np.load(run / "records" / "int8-reference--occlusion.npz") as arrays:
        maps = arrays["maps"]
    table = audit_of(run)
    hits = 0
    for one, sample in zip(maps, table["samples"], strict=True):
        row, column = corner(int(sample["id"].removeprefix("test/")))
        peak = np.unravel_index(np.abs(one).argmax(), one.shape)
        hits += row - 2 <= peak[0] < row + PATCH + 2 and column - 2 <= peak[1] < column + PATCH + 2
    share = (PATCH + 4) ** 2 / 16**2  # of the image: the patch with its margin, where a blind peak falls by chance
    luck = sum(math.comb(9, k) * share**k * (1 - share) ** (9 - k) for k in range(hits, 10))
    assert luck < 0.05, f"{hits} of 9 peaks are on the patch: a map that knows nothing does as well in {luck:.0%}"


def test_calibration_and_audit_share_no_sample(run: Path) -> None:
    table = json.loads((run / "manifest.json").read_text())
    assert len(table["calibration"]) == 30
    assert len(table["audit"]) == 9
    assert not set(table["calibration"]) & set(table["audit"])
    assert (run / "calibration.txt").read_text().split() == table["calibration"]


def test_the_gates_numbers_stand_in_the_manifest(run: Path) -> None:
    gates = {made["name"]: made["gate"] for made in json.loads((run / "manifest.json").read_text())["artifacts"]}
    assert gates["onnx"]["max_difference"] <= 1e-4
    assert gates["tflite"]["max_difference"] <= 1e-3
    assert "TRANSPOSE" not in gates["tflite"]["operators"]
    assert gates["int8"]["input"]["scale"] == pytest.approx(1 / 255, rel=0.05)
    assert gates["int8"]["sqnr_db"] > 10


def test_captum_finds_the_same_occlusion(run: Path) -> None:
    checked = audit_of(run)["cross_check"]["occlusion"]
    assert checked["samples"] == 4
    assert checked["max_difference"] <= 1e-6


def test_a_second_run_asks_nothing_and_says_the_same(study: Path, run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (run / "steps").rglob("*")}
    audit = (run / "audit.json").read_bytes()
    page = (run / "report.html").read_bytes()
    assert samewhy("study", study, "--out", run).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (run / "steps").rglob("*")} == before
    assert (run / "audit.json").read_bytes() == audit
    assert (run / "report.html").read_bytes() == page


def test_a_run_killed_at_any_step_ends_with_the_same_result(study: Path, run: Path, tmp_path: Path) -> None:
    for traces in ("train-*.partial/checkpoint.pt", "channels-*.partial", "quantize-*.partial", "ask-*.partial"):
        kill_at(study, tmp_path, traces, signal.SIGKILL)
    done = samewhy("study", study, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "audit.json").read_bytes() == (run / "audit.json").read_bytes()


@pytest.mark.parametrize("traces", ["train-*.partial/checkpoint.pt", "ask-*.partial"])
def test_an_interrupted_run_says_that_it_can_go_on_and_does(
    traces: str, study: Path, run: Path, tmp_path: Path
) -> None:
    code, said = kill_at(study, tmp_path, traces, signal.SIGINT)
    assert code == 130
    assert "run the same command to go on" in said
    assert not (tmp_path / "audit.json").exists()
    # the step that was under way may have ended just before the signal; begun or done, it is kept
    assert list((tmp_path / "steps").glob(f"{traces.partition('-')[0]}-*"))
    assert samewhy("study", study, "--out", tmp_path).returncode == 0
    assert (tmp_path / "audit.json").read_bytes() == (run / "audit.json").read_bytes()


def test_each_verb_runs_alone(study: Path, run: Path) -> None:
    for name in ("audit.json", "report.html", "manifest.json"):
        (run / name).rename(run / f"{name}.before")
    assert samewhy("build", study, "--out", run).returncode == 0
    assert samewhy("explain", study, "--out", run).returncode == 0
    assert samewhy("audit", study, "--out", run).returncode == 0
    assert samewhy("report", study, "--out", run).returncode == 0
    for name in ("audit.json", "report.html", "manifest.json"):
        assert (run / name).read_bytes() == (run / f"{name}.before").read_bytes()


def test_a_report_of_another_study_is_refused(run: Path, tmp_path: Path) -> None:
    done = samewhy("report", write_study(tmp_path), "--out", run)
    assert done.returncode == 2
    assert "made by a study with SHA-256" in done.stderr


def test_an_onnx_file_made_elsewhere_is_studied(run: Path, tmp_path: Path) -> None:
    path = write_study(tmp_path, model=f'onnx = "{run / "artifacts" / "model.onnx"}"')
    done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in audit_of(tmp_path / "run")["rungs"]] == RUNGS[3:]


def test_a_tflite_pair_and_one_more_rung_are_studied(run: Path, tmp_path: Path) -> None:
    made = run / "artifacts"
    model = f'float_tflite = "{made / "float.tflite"}"\nint8_tflite = "{made / "int8.tflite"}"'
    rung = f'[[rung]]\nname = "copy"\naddress = "litert:{made / "int8.tflite"}?kernels=reference&threads=2"\n'
    path = write_study(tmp_path, model=model, more=rung)
    done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    table = audit_of(tmp_path / "run")
    assert [row["name"] for row in table["rungs"]] == [*RUNGS[4:], "copy"]
    copied = [row for row in table["agreements"] if (row["rung"], row["reference"]) == ("copy", "int8-reference")]
    assert {row["value"] for row in copied} == {1.0}
    assert {tuple(row["changed"]) for row in copied} == {()}


def test_a_rung_on_a_server_is_that_of_the_served_file_and_its_records_name_the_wire(run: Path, tmp_path: Path) -> None:
    made = run / "artifacts"
    model = f'float_tflite = "{made / "float.tflite"}"\nint8_tflite = "{made / "int8.tflite"}"'
    with served(open_predictor(f"litert:{made / 'int8.tflite'}?kernels=reference")) as listener:
        path = write_study(tmp_path, model=model, more=f'[[rung]]\nname = "away"\naddress = "{listener.url}"\n')
        done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    away = [row for row in audit_of(tmp_path / "run")["agreements"] if row["rung"] == "away"]
    assert {(tuple(row["changed"]), row["value"]) for row in away if row["reference"] == "int8-reference"} == {
        ((), 1.0)
    }
    wires = {
        name: load(tmp_path / "run" / "records" / f"{name}--occlusion.json")[0].wire for name in ("tflite", "away")
    }
    assert wires == {"tflite": None, "away": f"{listener.url.removesuffix('model')}v2/models/model, binary"}


EVERY = """
[[explain]]
method = "hierarchy"
queries = 40

[[explain]]
method = "shapley-permutation"
features = { method = "cells-by-channel", cells = 4 }
fill = "mean"

[[explain]]
method = "lime"
features = { method = "superpixels", file = "labels.npy" }
queries = 64
fill = { method = "background", file = "quiet.npy" }

[[explain]]
method = "sobol"
features = 2
rows = 8
fill = "zero-point"
"""


def test_all_methods_fills_and_features_are_studied(run: Path, tmp_path: Path) -> None:
    made = run / "artifacts"
    model = f'float_tflite = "{made / "float.tflite"}"\nint8_tflite = "{made / "int8.tflite"}"'
    path = write_study(tmp_path, model=model, more=EVERY)
    each = np.arange(9)[:, None, None] % 2 + 2  # samples have 4 or 9 parts of their own
    np.save(tmp_path / "labels.npy", np.arange(16)[:, None] * each // 16 * 3 + np.arange(16) * each // 16)
    np.save(tmp_path / "quiet.npy", np.full((9, 16, 16, 1), 0.1, np.float32))
    done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "run" / "audit.json").read_bytes()
    rows = {row["name"]: row for row in audit_of(tmp_path / "run")["study"]["explainers"]}
    assert list(rows)[3:] == ["hierarchy", "shapley-permutation", "lime", "sobol"]
    assert (rows["hierarchy"]["reliability"], rows["hierarchy"]["relative_error"]) == (None, 0)
    assert 0 < rows["shapley-permutation"]["relative_error"] < 1
    assert rows["lime"]["reliability"] > 0.5
    for name, row in rows.items():
        records = [json.loads(one.read_text()) for one in (tmp_path / "run" / "records").glob(f"*--{name}.json")]
        assert {(record["plan"], record["queries"]) for record in records} == {(row["plan"], row["queries"])}
        assert len(records) == 4
    assert 20 < rows["hierarchy"]["queries"] <= 40  # boxes that the reference's scores made it ask
    with np.load(tmp_path / "run" / "records" / "tflite--shapley-permutation.npz") as arrays:
        assert arrays["maps"].shape == arrays["errors"].shape == (9, 16, 16, 1)
        assert arrays["reliability"].shape == (9,)
    assert samewhy("study", path, "--out", tmp_path / "run").returncode == 0
    assert (tmp_path / "run" / "audit.json").read_bytes() == first


def test_features_that_do_not_fit_are_told_before_the_run(tmp_path: Path) -> None:
    path = write_study(tmp_path, more='[[explain]]\nmethod = "lime"\nfeatures = 40\n')
    done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "features [40] does not fit spatial axes [16, 16]" in " ".join(done.stderr.split())
    assert "train" not in done.stderr


NETWORK = """
from torch import nn

def network(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, width, 5, padding=2), nn.ReLU(), nn.Conv1d(width, width, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, 3),
    )
"""


def test_a_time_series_and_a_network_of_ones_own_are_studied(tmp_path: Path) -> None:
    path = write_study(tmp_path, model='factory = "own_network:network"\n\n[model.options]\nwidth = 8\n')
    (tmp_path / "own_network.py").write_text(NETWORK)
    write_series(tmp_path / "patches.npz")
    path.write_text(path.read_text().replace('masks = "masks.npz"\n', ""))
    done = samewhy("study", path, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    table = audit_of(tmp_path / "run")
    assert min(row["accuracy"] for row in table["rungs"]) > 0.9
    with np.load(tmp_path / "run" / "records" / "int8-xnnpack--rise-centred.npz") as arrays:
        assert arrays["maps"].shape == (9, 48)


def write_series(path: Path) -> None:
    """Two channels of 48 steps; the class is the frequency of a burst."""
    rng = np.random.default_rng(1)
    arrays = {}
    for name, count in (("train", 600), ("test", 90)):
        labels = np.arange(count) % 3
        phase = rng.uniform(0, 6, (count, 1))
        waves = np.sin(np.arange(48) * np.array([0.3, 0.9, 1.8])[labels][:, None] + phase)
        series = np.stack([waves, rng.normal(0, 0.1, waves.shape)], axis=-1)
        arrays |= {f"{name}_samples": series.astype(np.float32), f"{name}_labels": labels}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy types the flag and the arrays alike


def kill_at(study: Path, folder: Path, traces: str, how: signal.Signals) -> tuple[int, str]:
    """Start the study and signal it once a trace of a step appears; exit code and what it said."""
    process = start("study", study, "--out", folder)
    while process.poll() is None and not list((folder / "steps").glob(traces)):
        time.sleep(0.01)
    assert process.poll() is None, f"the run ended before {traces} appeared: {process.stderr and process.stderr.read()}"
    os.killpg(process.pid, how)
    _, said = process.communicate()
    return process.returncode, said


def test_what_a_device_verified_becomes_a_rung(run: Path, study: Path, tmp_path: Path) -> None:
    bundle, there, again = tmp_path / "model.samewhy", tmp_path / "pi", tmp_path / "again"
    assert samewhy("bundle", run, "--study", study, "--out", bundle).returncode == 0
    done = samewhy("verify", bundle, "--out", there)
    assert done.returncode == 0, done.stdout + done.stderr
    folded = tmp_path / "study.toml"
    extra = f'\n[[rung]]\nname = "pi"\nverified = "{there}"\nof = "int8-xnnpack"\n'
    folded.write_text(study.read_text() + extra)
    for name in ("patches.npz", "masks.npz"):
        (tmp_path / name).symlink_to(study.parent / name)
    (again / "steps").parent.mkdir()
    (again / "steps").symlink_to(run / "steps")
    assert samewhy("study", folded, "--out", again).returncode == 0
    table, before = audit_of(again), audit_of(run)
    row = table["rungs"][-1]
    assert (row["name"], row["above"], row["changed"]) == ("pi", "int8-xnnpack", [])
    twin = next(one for one in before["rungs"] if one["name"] == "int8-xnnpack")
    assert (row["accuracy"], row["flips"]) == (twin["accuracy"], twin["flips"])
    mine = [one for one in table["agreements"] if one["rung"] == "pi"]
    assert {one["reference"] for one in mine} == {"float", "int8-xnnpack"}
    assert all(one["value"] == 1 for one in mine if one["reference"] == "int8-xnnpack" and one["value"] is not None)
    assert "pi" not in {one["rung"] for one in table["faithfulness"]}
    assert "pi" in (again / "report.html").read_text()
