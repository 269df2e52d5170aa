"""RISE against TorchRay."""

import warnings

import numpy as np
import pytest

from samewhy_edge.grids import Upsampling
from samewhy_edge.plan import weigh
from samewhy_edge.rise import Rise
from tests.peers.fixed import Fixed

torch = pytest.importorskip("torch", reason="peers are not installed; pip install -e '.[peers]' in a venv of its own")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the way in which it finds its version
    theirs = pytest.importorskip(
        "torchray.attribution.rise",
        reason="TorchRay is not installed; pip install --no-deps torchray in the venv of the peers",
        exc_type=ImportError,
    )

SIZES = [(28, 28, 7), (20, 33, 5), (9, 7, 3), (12, 12, 4)]


@pytest.mark.parametrize(("high", "wide", "grid"), SIZES)
def test_masks_are_the_padded_and_stretched_cells_of_torchray(high: int, wide: int, grid: int) -> None:
    plan = Rise(16, grid, convention="torchray").plan((high, wide, 1), 0)
    cells, shifts = plan.drawn(0, 16)
    size = [full + step for full, step in zip((high, wide), plan.upsampling.shifts, strict=True)]
    large = theirs._upsample_reflect(torch.from_numpy(cells)[:, None], size).numpy()[:, 0]
    for mask, whole, (x, y) in zip(plan.keep(0, 16), large, shifts, strict=True):
        np.testing.assert_allclose(mask, whole[x : x + high, y : y + wide], atol=2e-6)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_maps_of_our_masks_are_those_of_torchray(share: float) -> None:
    """TorchRay explains the sigmoid of what the network says."""
    explainer = Rise(64, 3, share, convention="torchray")
    plan = explainer.plan((10, 8, 1), 0)
    keep = plan.keep(0, 64)
    sample = np.random.default_rng(1).uniform(0, 1, (1, 1, 10, 8)).astype(np.float32)
    layer = torch.nn.Linear(80, 3)

    def network(batch: "torch.Tensor") -> "torch.Tensor":
        return layer(batch.flatten(1))

    with torch.no_grad():
        known = theirs.rise(
            network,
            torch.from_numpy(sample),
            num_masks=64,
            num_cells=3,
            p=share,
            filter_masks=torch.from_numpy(keep.copy())[:, None],
        )
        scores = torch.sigmoid(network(torch.from_numpy(sample * keep[:, None]))).numpy()
    for target in range(3):
        ours = explainer.estimate(plan, np.ascontiguousarray(scores[None, :, target]))
        np.testing.assert_allclose(ours[0], known.numpy()[0, target], rtol=1e-5, atol=1e-6)


def test_maps_of_torchrays_own_masks_are_ours() -> None:
    """Its generator is run again for its cells and shifts; the masks are ours, and so is the sum."""
    sample = torch.from_numpy(np.random.default_rng(2).uniform(0, 1, (1, 1, 12, 9)).astype(np.float32))
    layer = torch.nn.Linear(108, 2)
    with torch.no_grad():
        known = theirs.rise(lambda batch: layer(batch.flatten(1)), sample, num_masks=20, num_cells=3, seed=7)
        torch.manual_seed(7)
        cells = (torch.rand(20, 1, 3, 3) < 0.5).float().numpy()[:, 0]
        shifts = np.stack([torch.randint(0, count, (20,)).numpy() for count in (4, 3)], axis=1)
        keep = Upsampling((12, 9), 3, "mirror", "torchray").masks(cells, shifts)
        scores = torch.sigmoid(layer((sample * torch.from_numpy(keep)[:, None]).flatten(1))).numpy()
    maps = weigh(Fixed(keep), scores.T) / 20
    np.testing.assert_allclose(maps, known.numpy()[0], rtol=1e-5, atol=1e-6)
