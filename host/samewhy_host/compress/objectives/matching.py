"""Scores matched with scores: what distillation and black-box preservation have in common."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, kl_div, log_softmax, logsigmoid, mse_loss

from samewhy_edge.errors import InputError

Match = Literal["softmax", "sigmoid", "scores"]


def apart(student: Tensor, teacher: Tensor, match: Match, temperature: float) -> Tensor:
    """How far scores (N, K) are from the teacher's: a mean over samples.

    `softmax`: Kullback-Leibler divergence of the softmax at a temperature T, times T². `sigmoid`: the same of each
    class by itself, a mean over classes too. `scores`: mean square of the differences.

    Source: Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2 (T²).
    """
    teacher = teacher.detach()
    if match == "scores":
        return mse_loss(student, teacher)
    if match == "sigmoid":
        return bernoulli(student / temperature, teacher / temperature) * temperature**2
    soft, target = (log_softmax(one / temperature, dim=1) for one in (student, teacher))
    return kl_div(soft, target, reduction="batchmean", log_target=True) * temperature**2


def bernoulli(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean divergence of coins with these log odds."""
    target = torch.sigmoid(teacher)
    entropy = -(target * logsigmoid(teacher) + (1 - target) * logsigmoid(-teacher)).mean()
    return binary_cross_entropy_with_logits(student, target) - entropy


def match_of(wanted: Match | None, labels: Tensor) -> Match:
    """What is matched: where nothing is said, what the labels are."""
    return wanted or ("sigmoid" if labels.ndim == 2 else "softmax")


def check_share(method: str, alpha: float, temperature: float) -> None:
    """Refuse a share of the loss, or a temperature, that means nothing.

    Raises:
        InputError: naming what was found.
    """
    if not 0 <= alpha <= 1 or not 0 < temperature < float("inf"):
        raise InputError(
            f"{method} alpha = {alpha}, temperature = {temperature}; expected a share from 0 to 1, and a temperature "
            "above 0"
        )
