"""Methods that look into a torch network, one a file: maps for a target class from gradients and from relevance.

They explain the float network and the torch rungs below it, and no file that is deployed: what they are for is to see
whether reasons that black-box maps find kept are kept by maps of another making too.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import described
from samewhy_edge.fill import backgrounds
from samewhy_edge.settings import variant
from samewhy_host.torch_runtime import Torch, one_thread
from samewhy_host.whitebox import (
    asking,
    deep_lift,
    excitation,
    grad_cam,
    gradient_input,
    integrated_gradients,
    lrp,
    rap,
    relevance,
    rules,
    tape,
)
from samewhy_host.whitebox.asking import Against, Asked, WhiteBox
from samewhy_host.whitebox.deep_lift import DeepLift
from samewhy_host.whitebox.excitation import ExcitationBackprop
from samewhy_host.whitebox.grad_cam import GradCam
from samewhy_host.whitebox.gradient_input import GradientInput
from samewhy_host.whitebox.integrated_gradients import IntegratedGradients
from samewhy_host.whitebox.lrp import Lrp
from samewhy_host.whitebox.rap import Rap

Kind = (
    type[GradCam]
    | type[GradientInput]
    | type[IntegratedGradients]
    | type[DeepLift]
    | type[Lrp]
    | type[ExcitationBackprop]
    | type[Rap]
)
WHITE_BOXES: Mapping[str, Kind] = {
    "grad-cam": GradCam,
    "gradient-input": GradientInput,
    "integrated-gradients": IntegratedGradients,
    "deep-lift": DeepLift,
    "lrp": Lrp,
    "excitation-backprop": ExcitationBackprop,
    "rap": Rap,
}
CODE = (
    asking,
    deep_lift,
    excitation,
    grad_cam,
    gradient_input,
    integrated_gradients,
    lrp,
    rap,
    relevance,
    rules,
    tape,
)  # what decides a map
BATCH = 16  # samples at a time: tapes hold every value of the network


def white_boxes_from(tables: Sequence[Mapping[str, Any]]) -> list[WhiteBox]:
    """The methods of ``[[whitebox]]`` tables, in their order.

    Raises:
        InputError: an unknown method or parameter, or two of one name.
    """
    made: list[WhiteBox] = [variant(WHITE_BOXES, table, "whitebox") for table in tables]
    names = [one.name for one in made]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"[[whitebox]] {twice} stands twice; expected each method, and each rule of lrp, once")
    return made


def settings_of(method: WhiteBox) -> dict[str, Any]:
    """Name and parameters, as JSON."""
    fields = {name: described(getattr(method, name)) for name in method.__dataclass_fields__}  # type: ignore[attr-defined]  # methods are dataclasses
    return {"name": method.name, **fields}


def white_box_maps(method: WhiteBox, module: nn.Module, samples: Samples, targets: Targets) -> Maps:
    """Maps (N, *S) of samples (N, *S, C): for the targets' scores, summed over channels.

    In double precision, on a copy: relevance is divided by sums that come near 0, and oneDNN, which is not safe with
    one thread, takes no part in it.

    Raises:
        ContractError: the module is in training mode, or changes its tensors in place.
        InputError: the network is not of a kind that the method can take apart.
    """
    Torch(module)  # refuses training mode
    network = copy.deepcopy(module).double().requires_grad_(False)
    filled = backgrounds(method.fill if isinstance(method, Against) else 0.0, samples)
    asked = [channels_first(one) for one in (samples, np.broadcast_to(filled, samples.shape))]
    chosen = torch.from_numpy(np.asarray(targets, np.int64))
    with one_thread():
        found = [
            attributed(method, Asked(network, *(one[i : i + BATCH] for one in (asked[0], chosen, asked[1]))))
            for i in range(0, len(samples), BATCH)
        ]
    return np.concatenate(found) if found else np.zeros(samples.shape[:-1], np.float32)


def channels_first(samples: Samples) -> Tensor:
    """(N, C, *S), in double precision."""
    return torch.from_numpy(np.moveaxis(samples, -1, 1).astype(np.float64))


def attributed(method: WhiteBox, asked: Asked) -> Maps:
    """Of one batch, summed over channels."""
    maps: Tensor = method.attribute(asked)
    return np.asarray(maps.sum(dim=1).detach().numpy(), np.float32)
