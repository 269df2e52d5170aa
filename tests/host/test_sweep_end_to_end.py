"""A whole sweep over the command line, of files made elsewhere, so that nothing is trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.host.end_to_end import samewhy

MODELS = Path("models/fashion_ds_cnn").resolve()
STUDY = """
[study]
question = "The same for other samples?"

[data]
source = "npz"
path = "garments.npz"
classes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
calibration = 10

[model]
float_tflite = "{models}/float.tflite"
int8_tflite = "{models}/int8.tflite"

[[explain]]
method = "occlusion"
window = 14
stride = 14

[audit]
samples = 5
resamples = 20
gallery = 1

[sweep]
study.seed = [1, 2]
audit.margin = [0.05, 0.9]
"""


@pytest.mark.slow
def test_a_sweep_asks_once_what_its_points_have_in_common_and_is_repeated_to_the_byte(tmp_path: Path) -> None:
    with np.load(MODELS / "samples.npz") as known:
        samples, labels = known["samples"], known["targets"]
    both = {"test_samples": samples, "test_labels": labels}
    both |= {"train_samples": samples[:, :, ::-1], "train_labels": labels}
    np.savez(tmp_path / "garments.npz", **both)
    path, out = tmp_path / "study.toml", tmp_path / "run"
    path.write_text(STUDY.format(models=MODELS))

    done = samewhy("sweep", path, "--out", out)
    assert done.returncode == 0, done.stderr + done.stdout
    points = json.loads((out / "sweep.json").read_text())["points"]
    assert [point["state"] for point in points] == ["done"] * 4
    assert all((out / point["report"]).is_file() for point in points)
    steps = sorted(step.name for step in (out / "steps").iterdir())
    assert len([name for name in steps if name.startswith("test-int8-reference")]) == 1
    assert len([name for name in steps if name.startswith("ask-int8-reference")]) == 2  # other seeds, other samples

    files = ("sweep.json", "sweep.csv", "sweep.png", "sweep.html")
    before = {name: (out / name).read_bytes() for name in files}
    assert samewhy("sweep", path, "--out", out).returncode == 0
    assert {name: (out / name).read_bytes() for name in files} == before
    assert sorted(step.name for step in (out / "steps").iterdir()) == steps

    refused = samewhy("study", path, "--out", out)
    assert refused.returncode == 2
    assert "has a [sweep]; run samewhy sweep" in " ".join(refused.stderr.split())
