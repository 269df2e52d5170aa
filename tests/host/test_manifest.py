import json
from dataclasses import replace
from pathlib import Path

import pytest

from samewhy_edge.errors import InputError
from samewhy_host.manifest import FILE, SCHEMA, Made, Manifest, Step, load, save

MANIFEST = Manifest(
    question="Why?",
    seed=7,
    study="0" * 64,
    data={"name": "lines", "classes": ["a", "b"], "train": {"count": 3}},
    artifacts=(
        Made("float", "artifacts/float.pt", "1" * 64, 123, None),
        Made("onnx", "artifacts/model.onnx", "2" * 64, 456, "1" * 64, {"max_difference": 1e-6}),
    ),
    rungs=(Step("float", "torch:artifacts/float.pt"), Step("onnx", "onnx:artifacts/model.onnx")),
    calibration=("train/5", "train/9"),
    audit=("test/1",),
    versions={"samewhy": "0.1.0"},
)


def test_a_manifest_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    save(MANIFEST, tmp_path)
    assert load(tmp_path) == MANIFEST


def test_equal_manifests_give_equal_bytes(tmp_path: Path) -> None:
    save(MANIFEST, tmp_path / "one")
    save(replace(MANIFEST, data=dict(reversed(MANIFEST.data.items()))), tmp_path / "two")
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()


@pytest.mark.parametrize("schema", [SCHEMA + 1, None, "1"])
def test_a_manifest_of_another_schema_is_refused(schema: object, tmp_path: Path) -> None:
    save(MANIFEST, tmp_path)
    table = json.loads((tmp_path / FILE).read_text()) | {"schema": schema}
    (tmp_path / FILE).write_text(json.dumps(table))
    with pytest.raises(InputError, match=f"manifest schema {schema}, expected {SCHEMA}; build it anew"):
        load(tmp_path)


def test_a_folder_in_which_nothing_was_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json in it; run samewhy build with this --out first"):
        load(tmp_path)
