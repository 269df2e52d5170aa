"""Captum on the torch reference: the cross-check of our occlusion, and the white-box view for the gallery.

Source: Captum 0.9; Integrated Gradients, Sundararajan, Taly & Yan 2017, arXiv 1703.01365.
"""

from functools import partial

import captum.attr
import numpy as np
import torch
from torch import Tensor, nn

from samewhy_edge.arrays import Maps, Samples, Scores, Targets
from samewhy_edge.errors import ContractError
from samewhy_edge.explain import explain
from samewhy_edge.fill import Fill, backgrounds
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import axes_of
from samewhy_edge.predictor import Predictor

STEPS = 256  # of the path integral; ReLU networks have kinks that few steps miss
BOUND = 1e-6  # largest difference to Captum, as a share of the largest value of the maps


def occlusion_difference(predictor: Predictor, samples: Samples, targets: Targets, explainer: Occlusion) -> float:
    """Largest difference between our occlusion and Captum's, as a share of the largest value.

    Both ask the same predictor, one sample at a time, so that what differs is the method and not how convolutions of
    another batch size round.

    Raises:
        ContractError: it is above the bound.
    """
    alone = partial(one_by_one, predictor)
    ours = explain(alone, samples, targets, explainer, seed=0)
    theirs = captum_occlusion(alone, samples, targets, explainer)
    largest = float(np.abs(theirs).max()) or 1.0  # a network that does not look at its sample has maps of zeros
    difference = float(np.abs(ours - theirs).max()) / largest
    if not difference <= BOUND:
        raise ContractError(
            f"our occlusion differs from Captum's by {difference:.3g} of its largest value, at most {BOUND:g} is "
            "allowed; one of the two conventions has changed, do not trust the maps"
        )
    return difference


def one_by_one(predictor: Predictor, samples: Samples) -> Scores:
    """Scores (N, K), each sample asked alone."""
    return np.concatenate([predictor(samples[i : i + 1]) for i in range(len(samples))])


def captum_occlusion(predictor: Predictor, samples: Samples, targets: Targets, explainer: Occlusion) -> Maps:
    """Captum's occlusion of any predictor, with the explainer's windows over all channels: (N, *S)."""
    spatial = samples.shape[1:-1]
    window, stride = (axes_of(name, getattr(explainer, name), spatial) for name in ("window", "stride"))
    inputs = to_torch(samples)
    method = captum.attr.Occlusion(lambda batch: torch.from_numpy(predictor(batch.movedim(1, -1).numpy())))
    with torch.no_grad():
        maps: Tensor = method.attribute(
            inputs,
            sliding_window_shapes=(inputs.shape[1], *window),
            strides=(inputs.shape[1], *stride),
            baselines=to_torch(backgrounds(explainer.fill, samples)),
            target=torch.from_numpy(targets),
        )
    # every channel of a window is given the whole drop
    return np.asarray(maps[:, 0].numpy(), np.float32)


def integrated_gradients(module: nn.Module, samples: Samples, targets: Targets, fill: Fill) -> Maps:
    """Integrated gradients from the fill, summed over channels: (N, *S)."""
    method = captum.attr.IntegratedGradients(module)
    inputs = to_torch(samples).requires_grad_()
    maps: Tensor = method.attribute(
        inputs,
        baselines=to_torch(backgrounds(fill, samples)),
        target=torch.from_numpy(targets),
        n_steps=STEPS,
        internal_batch_size=max(STEPS, len(samples)),
    )
    return np.asarray(maps.sum(1).detach().numpy(), np.float32)


def to_torch(samples: Samples) -> Tensor:
    """Channels first."""
    return torch.from_numpy(samples).movedim(-1, 1).contiguous()
