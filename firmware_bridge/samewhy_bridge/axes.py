"""Walks over tensors: sizes and steps of axes, the innermost last."""

from collections.abc import Sequence


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index of an axis to the next, of a tensor that lies in order."""
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * size)
    return tuple(reversed(steps)) if shape else ()


def coalesced(
    sizes: Sequence[int], walks: Sequence[Sequence[int]], least: int
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """The same elements in the same order over fewer axes: neighbours are merged where every walk goes straight on.

    Args:
        sizes: of the axes.
        walks: steps of several tensors along the axes.
        least: axes of one element are put in front until there are so many.
    """
    merged: list[int] = []
    steps: list[list[int]] = [[] for _ in walks]
    for axis, size in enumerate(sizes):
        if size == 1:
            continue
        here = [walk[axis] for walk in walks]
        if merged and all(one[-1] == step * size for one, step in zip(steps, here, strict=True)):
            merged[-1] *= size
            for one, step in zip(steps, here, strict=True):
                one[-1] = step
        else:
            merged.append(size)
            for one, step in zip(steps, here, strict=True):
                one.append(step)
    front = max(least - len(merged), 0)
    return (1,) * front + tuple(merged), [(0,) * front + tuple(one) for one in steps]
