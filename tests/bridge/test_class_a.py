"""TFLite Micro and the generated C on emulated processors, asked by the real protocol: one answer, bit for bit."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from samewhy_bridge.generate import generate
from samewhy_bridge.machines import MACHINES
from samewhy_edge.differ import differ
from samewhy_edge.predictor import open_predictor
from samewhy_edge.testing import random_samples
from tests.bridge.boards import needs_arm

MODELS = sorted(path.parent.name for path in Path("models").glob("*/int8.tflite"))
SMALL = "fashion_ds_cnn"  # fits the board with 64 KB
QUICK = [*zip(MODELS, ("mps2-an386", "mps2-an500", "mps2-an385"), strict=False), (SMALL, "lm3s6965evb")]
ALL = [pair for pair in product(MODELS, list(MACHINES)[:3]) if pair not in QUICK]


def equal_there(name: str, machine: str, folder: Path, noise: int, inside: bool) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed: pip install 'samewhy[bridge]'")
    file = Path("models") / name / "int8.tflite"
    generate(file, "generic-c", None, folder / name)
    board = open_predictor(f"qemu:{folder / name}?machine={machine}&model={file}")
    tflm = open_predictor(f"tflm:{file}")
    with np.load(file.parent / "samples.npz") as arrays:
        samples = np.concatenate([arrays["samples"][:1], random_samples(tflm, noise)])
    np.testing.assert_array_equal(board(samples), tflm(samples))
    if inside:  # all that lies between the ends travels too
        found = differ(tflm, board, samples[:1])
        assert found["first_diverging"] is None
        assert len(found["rows"]) > 5


@needs_arm
@pytest.mark.parametrize(("name", "machine"), QUICK)
def test_each_network_is_the_same_on_a_processor(name: str, machine: str, tmp_path: Path) -> None:
    equal_there(name, machine, tmp_path, 2 * (name == SMALL), machine == "lm3s6965evb")


@needs_arm
@pytest.mark.slow
@pytest.mark.parametrize(("name", "machine"), ALL)
def test_each_network_is_the_same_on_every_processor(name: str, machine: str, tmp_path: Path) -> None:
    large = name == "person_detect"  # 110,592 bytes a sample, which take seconds on this line
    equal_there(name, machine, tmp_path, 0 if large else 6, not large)
