"""Seeded training that can be interrupted: all chance follows from (seed, epoch), so a resumed run ends the same."""

import ctypes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_bytes
from samewhy_host.data.dataset import Split
from samewhy_host.module_file import load_plain, serialized

KEPT = {-1: 1 << 30, -3: 1 << 25}  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h, the latter at its most

Told = Callable[[str], object]  # told a line after each epoch


class Lesson(Protocol):
    """What a batch is taught: the loss that is lowered."""

    def __call__(self, module: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """A number, of inputs (N, C, *S) in training mode and labels (N,), or (N, K) where classes do not exclude."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Train:
    """How a network is trained: AdamW under a one-cycle schedule, cross entropy with smoothed labels."""

    epochs: int = 10
    batch: int = 64
    learning_rate: float = 0.006
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    flip: bool = True  # mirror half of the images along their last axis
    shift: int = 0  # move each batch by up to this many positions

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"[train] epochs={self.epochs}, batch={self.batch}, learning_rate={self.learning_rate}; "
                "expected at least 1 epoch, a batch of at least 2 and a positive learning rate"
            )
        if not 0 <= self.weight_decay < math.inf or not 0 <= self.label_smoothing <= 1 or self.shift < 0:
            raise InputError(
                f"[train] weight_decay={self.weight_decay}, label_smoothing={self.label_smoothing}, "
                f"shift={self.shift}; expected 0 or more, and at most 1 for label_smoothing"
            )


def train(
    module: nn.Module,
    split: Split,
    how: Train,
    seed: int,
    checkpoint: Path,
    told: Told = lambda _: None,
    lesson: Lesson | None = None,
    hold: Callable[[], None] = lambda: None,
    also: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> None:
    """Train in place and leave the module in evaluation mode; go on from `checkpoint` where it exists.

    The checkpoint is written after every epoch. Weights that are exactly zero at the start, because they were pruned,
    stay zero. `lesson` teaches something else than the labels alone; `hold` is called after every update of the
    weights; `also` has a state of its own that goes into the checkpoint.
    """
    keep_pages()
    module.to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    steps = math.ceil(len(split.ids) / how.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.learning_rate, total_steps=how.epochs * steps)
    parts: dict[str, Any] = {"module": module, "optimizer": optimizer, "schedule": schedule, **(also or {})}
    samples = torch.from_numpy(split.samples).movedim(-1, 1).contiguous().to(device)
    labels = targets_of(split).to(device)
    keep_zeros = zero_keeper(module)

    def updated() -> None:
        optimizer.step()
        schedule.step()
        keep_zeros()
        hold()

    for epoch in range(resume(parts, checkpoint), how.epochs):
        torch.manual_seed(seed + epoch)
        loss = run_epoch(module, samples, labels, how, optimizer, lesson or labels_alone(how), updated)
        state = {name: part.state_dict() for name, part in parts.items()}
        write_bytes(checkpoint, serialized({"epoch": epoch + 1, **state}))
        told(f"epoch {epoch + 1} of {how.epochs}, loss {loss:.3f}")
    module.to("cpu").eval()


def keep_pages() -> None:
    """Ask glibc not to give memory back between batches; elsewhere, nothing.

    Activations of every batch are allocated anew. Above glibc's thresholds each comes from the kernel as pages of
    zeros and goes back to it, which takes a fifth of the time of training a small network.
    """
    try:
        glibc = ctypes.CDLL("libc.so.6")
        for parameter, most in KEPT.items():
            glibc.mallopt(parameter, most)
    except (OSError, AttributeError):  # another C library
        return


def targets_of(split: Split) -> Tensor:
    """Classes (N,), or (N, K) of 0 and 1 where several may be present."""
    return torch.from_numpy(split.labels if split.present is None else split.present.astype(np.float32))


def resume(parts: dict[str, Any], checkpoint: Path) -> int:
    """Put the checkpoint's state into the parts; the number of epochs that are done."""
    if not checkpoint.is_file():
        return 0
    found = load_plain(checkpoint)
    for name, part in parts.items():
        part.load_state_dict(found[name])
    return int(found["epoch"])


def run_epoch(
    module: nn.Module,
    samples: Tensor,
    labels: Tensor,
    how: Train,
    optimizer: torch.optim.Optimizer,
    lesson: Lesson,
    updated: Callable[[], None],
) -> float:
    """One pass over the samples in a random order; the mean loss."""
    module.train()
    total = torch.zeros((), dtype=torch.float64, device=samples.device)
    for batch in torch.randperm(len(samples)).split(how.batch):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        places = batch.to(samples.device)
        loss = lesson(module, augment(samples[places], how), labels[places])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        updated()
        total += loss.detach().double() * len(batch)
    return float(total) / len(samples)


def labels_alone(how: Train) -> Lesson:
    """The lesson of a network that has no teacher."""

    def lesson(module: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return label_loss(module(laid_out(inputs)), labels, how.label_smoothing)

    return lesson


def laid_out(inputs: Tensor) -> Tensor:
    """Channels last, the faster layout for convolutions on a CPU."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def label_loss(scores: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy with smoothed labels (N,); for labels (N, K) the binary one, a mean over classes, not smoothed."""
    if labels.ndim == 2:
        return binary_cross_entropy_with_logits(scores, labels)
    return cross_entropy(scores, labels, label_smoothing=smoothing)


def augment(inputs: Tensor, how: Train) -> Tensor:
    """Mirrored and moved copies; nothing is drawn for what is switched off."""
    if how.flip:
        chosen = (torch.rand(len(inputs)) < 0.5).view(-1, *[1] * (inputs.ndim - 1)).to(inputs.device)
        inputs = torch.where(chosen, inputs.flip(-1), inputs)
    if how.shift:
        axes = tuple(range(2, inputs.ndim))
        moves = torch.randint(-how.shift, how.shift + 1, (len(axes),)).tolist()
        inputs = inputs.roll(moves, axes)
    return inputs


def prunable(module: nn.Module) -> list[Tensor]:
    """Weights of convolutions and linear layers; biases and norms are too few to be worth their harm."""
    return [part.weight for part in module.modules() if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear))]


def zero_keeper(module: nn.Module) -> Callable[[], None]:
    """What sets the weights that are zero now to zero again, to be called after every weight update."""
    weights = prunable(module)
    kept = [(weight != 0).to(weight.dtype) for weight in weights]

    def keep_zeros() -> None:
        with torch.no_grad():
            for weight, mask in zip(weights, kept, strict=True):
                weight.mul_(mask)

    return keep_zeros if any(not mask.all() for mask in kept) else lambda: None
