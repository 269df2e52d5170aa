"""Occlusion against Captum."""

import numpy as np
import pytest

from samewhy_edge.explain import explain
from samewhy_edge.occlusion import Occlusion
from tests.worlds import additive

torch = pytest.importorskip("torch", reason="peers are not installed; pip install -e '.[peers]' in a venv of its own")
attr = pytest.importorskip("captum.attr", reason="Captum is not installed; pip install captum")


@pytest.mark.parametrize(
    ("window", "stride", "fill"),
    [((4,), (2,), 0.0), ((4,), (4,), 0.5), ((5,), (3,), -1.0), ((6, 3), (4, 2), 0.0), ((12, 10), (1, 1), 0.0)],
)
def test_occlusion_is_captums(window: tuple[int, ...], stride: tuple[int, ...], fill: float) -> None:
    world = additive(12, 10, 2, seed=1)
    samples = np.random.default_rng(2).uniform(0, 1, (3, 12, 10, 2)).astype(np.float32)
    targets = np.array([2, 0, 1])

    def network(batch: "torch.Tensor") -> "torch.Tensor":
        scores = world(np.ascontiguousarray(batch.numpy().transpose(0, 2, 3, 1)))
        return torch.from_numpy(np.tanh(scores / 20))

    def predictor(batch: np.ndarray) -> np.ndarray:
        return np.tanh(world(batch) / 20)

    high, wide = np.resize(window, 2).tolist(), np.resize(stride, 2).tolist()
    theirs = attr.Occlusion(network).attribute(
        torch.from_numpy(samples.transpose(0, 3, 1, 2).copy()),
        sliding_window_shapes=(2, *high),
        strides=(2, *wide),
        baselines=fill,
        target=torch.from_numpy(targets),
    )
    ours = explain(predictor, samples, targets, Occlusion(window, stride, fill), seed=0)
    np.testing.assert_allclose(ours, theirs.numpy()[:, 0], atol=2e-6)
