"""Against Captum, where it is installed: the same sets and the same neighbours go to both."""

from typing import Any

import numpy as np
import pytest

from samewhy_edge.continuity import MaxSensitivity
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.subsets import Infidelity

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.metrics")

SAMPLE = np.random.default_rng(0).normal(size=(6, 5, 1)).astype(np.float32)
ONE = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)


def model(samples: Any) -> Any:
    """Not additive; (N, *S, C) to (N,)."""
    flat = samples.reshape(len(samples), -1)
    return torch.tanh(flat[:, :15].sum(dim=1)) * flat[:, 15:].sum(dim=1)


def world(samples: Any, /) -> Any:
    return model(torch.from_numpy(samples)).numpy()[:, None]


@pytest.mark.parametrize("scaled", [False, True])
def test_infidelity_equals_captums_under_the_same_sets(scaled: bool) -> None:
    how = Infidelity(40, scaled=scaled)
    plan = how.plan(ONE, 0)
    hidden = torch.from_numpy(1 - plan.keep(1, 41))[..., None]

    def perturb(inputs: Any, baselines: Any) -> Any:
        return hidden, inputs * (1 - hidden)

    known = captum.infidelity(
        model,
        perturb,
        torch.from_numpy(SAMPLE)[None],
        torch.from_numpy(ONE)[None, ..., None],
        baselines=torch.zeros(1, 6, 5, 1),
        n_perturb_samples=40,
        normalize=scaled,
    )
    ours = how.value(ONE, plan, ask(world, SAMPLE[None], plan)[0, :, 0])
    assert ours == pytest.approx(float(known[0]), rel=1e-4)


def test_max_sensitivity_equals_captums_with_the_same_neighbours() -> None:
    entry = Affine(0.05, 0, "int8")
    near = torch.from_numpy(MaxSensitivity(10).changed(SAMPLE, SAMPLE, ONE, entry, 0))

    def explain(inputs: Any) -> Any:
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        return torch.sin(3 * inputs).cumsum(dim=1)

    known = captum.sensitivity_max(
        lambda inputs, **_: (explain(inputs),),
        (torch.from_numpy(SAMPLE)[None],),
        perturb_func=lambda inputs, radius: (near,),
        n_perturb_samples=10,
    )
    one, others = explain(torch.from_numpy(SAMPLE)[None])[0].numpy(), explain(near).numpy()
    assert MaxSensitivity(10).value(one, others) == pytest.approx(float(known[0]), rel=1e-5)
