"""Relevance and Excitation Backprop against zennit 0.4.6."""

import pytest

torch = pytest.importorskip("torch", reason="peers are not installed; make peers-test installs them")
composites = pytest.importorskip("zennit.composites", reason="pip install --no-deps zennit==0.4.6")
rules = pytest.importorskip("zennit.rules")

from zennit.core import Composite  # noqa: E402
from zennit.types import AvgPool, Convolution, Linear  # noqa: E402

from samewhy_host.whitebox.asking import Asked, WhiteBox  # noqa: E402
from samewhy_host.whitebox.excitation import ExcitationBackprop  # noqa: E402
from samewhy_host.whitebox.lrp import Lrp  # noqa: E402
from samewhy_host.zoo.vgg import vgg  # noqa: E402

PASSED = [(torch.nn.ReLU, rules.Pass()), (AvgPool, rules.Norm())]
CASES = [
    (Lrp(), composites.LayerMapComposite([*PASSED, (Linear, rules.Epsilon())])),
    (Lrp("alpha1-beta0"), composites.LayerMapComposite([*PASSED, (Linear, rules.ZPlus())])),
    (Lrp("gamma"), composites.LayerMapComposite([*PASSED, (Linear, rules.Gamma())])),
    (Lrp("epsilon-plus-flat"), composites.EpsilonPlusFlat()),
]


def network(bias: float) -> "torch.nn.Module":
    """Without batch norms, which zennit takes for no layer."""
    torch.manual_seed(0)
    made = vgg(3, 1, width=8, stages=2).double()
    for part in made.modules():
        if hasattr(part, "norm"):
            part.norm = torch.nn.Identity()
        if isinstance(part, Convolution | torch.nn.Linear):
            part.bias.data.normal_(0, bias)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=[one.name for one, _ in CASES])
def test_relevance_is_zennits(ours: WhiteBox, theirs: "Composite") -> None:
    made, samples = network(bias=0.1), torch.rand(3, 1, 12, 12, dtype=torch.float64)
    targets = made(samples).argmax(dim=1)
    found = ours.attribute(Asked(made, samples, targets, torch.zeros_like(samples)))
    expected = relevance(made, theirs, samples, targets, made(samples))
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())  # zennit adds 1e-6 to each sum


def test_excitation_is_zennits_without_biases() -> None:
    made, samples = network(bias=0.0), torch.rand(3, 1, 12, 12, dtype=torch.float64)
    targets = made(samples).argmax(dim=1)
    found = ExcitationBackprop().attribute(Asked(made, samples, targets, torch.zeros_like(samples)))
    theirs = composites.LayerMapComposite([*PASSED, (Linear, rules.ZPlus())])
    expected = relevance(made, theirs, samples, targets, torch.ones(3, 3, dtype=torch.float64))
    assert float((found - expected).abs().max()) <= 1e-3 * float(expected.abs().max())


def relevance(
    made: "torch.nn.Module",
    composite: "Composite",
    samples: "torch.Tensor",
    targets: "torch.Tensor",
    start: "torch.Tensor",
) -> "torch.Tensor":
    inputs = samples.clone().requires_grad_()
    given = torch.zeros_like(start).scatter(1, targets[:, None], start.gather(1, targets[:, None]))
    with composite.context(made) as changed:
        (found,) = torch.autograd.grad(changed(inputs), inputs, given)
    return found
