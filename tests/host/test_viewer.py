import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.files import write_json, write_npz
from samewhy_host.report import coverage
from samewhy_host.report.reading import read
from samewhy_host.report.viewer import UNDEFINED, noise, packed, viewer
from tests.host.finished import RUNGS, SAMPLES, SHOWN, audit_table, edit, run_folder


def unpacked(row: Any, shape: tuple[int, ...]) -> Any:
    """What the page's script makes of it."""
    codes = np.frombuffer(base64.b64decode(row["codes"]), "<i2").reshape(shape)
    return np.where(codes == UNDEFINED, np.nan, codes * row["unit"])


def test_the_viewer_holds_the_maps_of_the_shown_samples(tmp_path: Path) -> None:
    samples = viewer(read(run_folder(tmp_path)))["samples"]
    assert [row["id"] for row in samples] == [f"test/<{place}>" for place in SHOWN]
    for row, place in zip(samples, SHOWN, strict=True):
        with np.load(tmp_path / "records" / "float--rise-published.npz") as arrays:
            first = arrays["maps"][place]
        with np.load(tmp_path / "records" / "board--rise-published.npz") as arrays:
            last = arrays["maps"][place]
        held = row["maps"][1]
        assert unpacked(held[0], (6, 6)) == pytest.approx(first, abs=held[0]["unit"])
        assert unpacked(held[2], (6, 6)) == pytest.approx(last - first, abs=held[2]["unit"])


def test_a_small_difference_of_large_maps_keeps_its_digits(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    maps = np.full((SAMPLES, 6, 6), 1000, np.float32)
    write_npz(folder / "records" / "float--occlusion.npz", maps=maps)
    moved = maps.copy()
    moved[:, 0, 0] += 2**-10
    write_npz(folder / "records" / "board--occlusion.npz", maps=moved)
    found = unpacked(viewer(read(folder))["samples"][0]["maps"][0][2], (6, 6))
    assert found[0, 0] == pytest.approx(2**-10, rel=1e-4)
    assert not found.ravel()[1:].any()


def test_what_is_undefined_has_a_code_of_its_own() -> None:
    found = unpacked(packed(np.array([np.nan, -2.0, 1.0, np.inf])), (4,))
    assert np.array_equal(np.isnan(found), [True, False, False, True])
    assert found[1:3] == pytest.approx([-2, 1], abs=1e-4)
    assert np.isnan(unpacked(packed(np.array([np.nan])), (1,))).all()
    assert not unpacked(packed(np.zeros(3)), (3,)).any()


def test_noise_is_unknown_absent_or_drawn(tmp_path: Path) -> None:
    found = read(run_folder(tmp_path, explainers=("occlusion", "rise", "lime"), errors={"occlusion": 0.0, "rise": 0.1}))
    assert [noise(found, name) for name in found.explainers] == ["fixed", "drawn", "unknown"]
    one = viewer(found)["samples"][0]["errors"]
    assert [row is None for row in one] == [True, False, True]
    assert unpacked(one[1][2], (6, 6)) == pytest.approx(np.full((6, 6), 0.1), rel=1e-4)


def test_an_output_has_steps_where_its_tensor_has_and_the_audit_saw_them(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    occlusion, drawn = viewer(read(folder))["explainers"]
    assert occlusion["steps"] == [None, None, 0.0039]  # the audit's 0.0039 of float is only what was seen
    assert drawn["steps"] == [None] * 3
    softened = edit(folder, lambda table: [row.update(step=0.01) for row in table["resolution"]])
    assert viewer(read(softened))["explainers"][0]["steps"] == [None] * 3  # scores are no longer the tensor's


def test_each_explainer_says_what_was_found_on_each_rung(tmp_path: Path) -> None:
    said = viewer(read(run_folder(tmp_path)))["explainers"][0]["said"]
    assert said == ["the reference", *["same, loss 0.0123 [0.0101, 0.0152]"] * 2]


def judged(measure: str, key: str = "faithfulness") -> Any:
    """Puts rows of a measure into an audit."""
    few = {"value": 0.5, "low": 0.4, "high": 0.6, "floor": 0.1, "samples": SAMPLES, "undefined": 0}
    moved = {"moved": 0.0, "moved_low": 0.0, "moved_high": 0.0}
    known = {"name": measure, "better": "higher", "span": [0, 1], "source": "", "convention": "", "queries": 9}

    def put(table: Any) -> None:
        keys = [(row["name"], one["name"]) for one in table["study"]["explainers"] for row in table["rungs"]]
        rows = [{"rung": rung, "explainer": one, "measure": measure, **few, **moved} for rung, one in keys]
        table.setdefault(key, []).extend(rows)
        table["study"].setdefault(f"{key}_measures", []).append({**known, "explains_again": False})

    return put


def states(folder: Path) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["state"], row["evidence"]) for row in coverage.rows(read(folder))}


def test_twelve_properties_each_have_a_word_and_a_reason(tmp_path: Path) -> None:
    found = states(run_folder(tmp_path))
    assert len(found) == 12
    assert {name for name, (state, _) in found.items() if state == "tested"} == {"consistency"}
    assert {name for name, (state, _) in found.items() if state == "partly"} == {"correctness", "coherence"}
    assert all(reason for _, reason in found.values())
    assert found["consistency"][1] == "6 comparisons of rungs under the same masks: 6 same"


def test_what_an_audit_holds_is_found_in_it(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, explainers=("occlusion", "shapley-kernel"))
    for measure in ("deletion", "average-drop", "max-sensitivity"):
        edit(folder, judged(measure))
    edit(folder, judged("gini", "shape"))
    edit(folder, lambda table: table["study"]["explainers"][0].update(relative_error=0.0))
    found = states(folder)
    assert found["correctness"][0] == found["continuity"][0] == found["compactness"][0] == "tested"
    assert "deletion, average-drop and max-sensitivity" in found["correctness"][1]
    assert found["completeness"][0] == "partly"
    assert "average-drop; shapley-kernel: sums are f(x) − f(fill)" in found["completeness"][1]
    assert found["confidence"] == (
        "partly",
        "standard errors or reliability of occlusion; intervals over samples; unknown for shapley-kernel",
    )


def test_a_measure_without_a_defined_value_tests_nothing(tmp_path: Path) -> None:
    folder = edit(run_folder(tmp_path), judged("max-sensitivity"))
    edit(folder, lambda table: [row.update(value=None) for row in table["faithfulness"]])
    assert states(folder)["continuity"][0] == "not tested"


@pytest.mark.parametrize(("artifact", "word"), [("1" * 64, "tested"), ("e" * 64, "partly")])
def test_randomised_weights_count_where_they_are_those_of_a_rung(tmp_path: Path, artifact: str, word: str) -> None:
    folder = run_folder(tmp_path)
    verdicts = [{"explainer": "occlusion", "verdict": "sensitive"}]
    write_json(folder / "sanity.json", {"rung": {"artifact": {"sha256": artifact}}, "verdicts": verdicts})
    state, evidence = states(folder)["correctness"]
    assert state == word
    assert ("occlusion is sensitive" in evidence) == (word == "tested")


def test_maps_of_every_class_are_no_comparison_of_them(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    assert states(folder)["contrastivity"][0] == "not tested"
    path = folder / "records" / "board--occlusion.npz"
    with np.load(path) as arrays:
        maps = arrays["maps"]
    write_npz(path, maps=maps, class_maps=np.stack([maps, maps], axis=1))
    assert states(folder)["contrastivity"][0] == "partly"


def test_one_rung_is_consistent_with_nothing(tmp_path: Path) -> None:
    assert states(run_folder(tmp_path, rungs=("onnx",)))["consistency"][0] == "not tested"
    assert audit_table(RUNGS[:1], ("occlusion",))["verdicts"] == []
