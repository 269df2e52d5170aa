"""What only moves elements: all of it is one kernel that copies runs of bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from samewhy_bridge.axes import coalesced, steps_of
from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.fixed_point import away_from_zero
from samewhy_bridge.graph import STORED, Tensor
from samewhy_bridge.operators.view import View

AXES = 5  # that the C kernel walks over, besides the run


def copy(
    view: View, sizes: Sequence[int], source: tuple[Tensor, int, Sequence[int]], to: tuple[Tensor, int, Sequence[int]]
) -> Call:
    """Elements from a place of one tensor, and along its steps, to a place of another, and along its."""
    (origin, start, steps), (target, place, target_steps) = source, to
    item = np.dtype(STORED[origin.dtype]).itemsize
    walks = [[step * item for step in one] + [1] for one in (steps, target_steps)]
    merged, (taken, given) = coalesced([*sizes, item], walks, 1)
    run = merged[-1] if taken[-1] == given[-1] == 1 else 1
    if run > 1 or merged == (1,):
        merged, taken, given = merged[:-1], taken[:-1], given[:-1]
    if len(merged) > AXES:
        raise view.wrong(f"{len(merged)} axes after merging", f"at most {AXES}")
    front = AXES - len(merged)
    spec: dict[str, Field] = {
        "sizes": (1,) * front + tuple(merged),
        "from_steps": (0,) * front + tuple(taken),
        "to_steps": (0,) * front + tuple(given),
        "from": start * item,
        "to": place * item,
        "run": run,
    }
    return Call("copy", spec, (origin.number,), (target.number,))


def same_kind(view: View, tensor: Tensor, output: Tensor) -> None:
    """Refuse a move between tensors whose elements do not mean the same, or are of no known size."""
    if tensor.dtype not in STORED:
        raise view.wrong(f"tensor {tensor.name!r} holds {tensor.dtype}", ", ".join(STORED))
    view.same_steps(tensor, output)


def reshape(view: View) -> Lowered:
    """The same bytes."""
    source, output = view.input(0), view.output()
    same_kind(view, source, output)
    if source.size != output.size:
        raise view.wrong(f"shape {source.shape} for {output.shape}", "as many elements")
    if source.data is not None:
        return Lowered((copy(view, (source.size,), (source, 0, (1,)), (output, 0, (1,))),))
    return Lowered((), same_bytes=(source.number,))


def transpose(view: View) -> Lowered:
    """By a constant order of axes."""
    source, output = view.input(0), view.output()
    same_kind(view, source, output)
    order = view.whole_numbers(1)
    if sorted(order) != list(range(len(source.shape))):
        raise view.wrong(f"order of axes {order}", f"each axis of {source.shape} once")
    steps = [steps_of(source.shape)[axis] for axis in order]
    call = copy(view, output.shape, (source, 0, steps), (output, 0, steps_of(output.shape)))
    return Lowered((call,))


def pad(view: View) -> Lowered:
    """With zeros, which the zero point stands for."""
    output = view.output()
    return _padded(view, view.codes(output).zero_point)


def padv2(view: View) -> Lowered:
    """With a constant of the file."""
    return _padded(view, view.whole_numbers(2)[0])


def _padded(view: View, value: int) -> Lowered:
    source, output = view.codes(view.input(0)), view.codes(view.output())
    same_kind(view, source, output)
    before, after = np.array(view.constant(1)).reshape(-1, 2).T
    if tuple(before + source.shape + after) != output.shape or (before < 0).any() or (after < 0).any():
        raise view.wrong(f"padding {before.tolist()} and {after.tolist()} of {source.shape}", f"to give {output.shape}")
    steps = steps_of(output.shape)
    start = int(np.dot(before, steps))
    fill = Call("fill", {"bytes": output.size, "value": value}, (), (output.number,))
    return Lowered((fill, copy(view, source.shape, (source, 0, steps_of(source.shape)), (output, start, steps))))


def concatenation(view: View) -> Lowered:
    """Of tensors of one scale; an activation is never fused into it."""
    output = view.output()
    if view.option("fusedActivationFunction"):
        raise view.wrong("a fused activation", "none")
    axis = view.option("axis") % len(output.shape)
    steps, calls, place = steps_of(output.shape), [], 0
    for number in range(len(view.operator.inputs)):
        source = view.input(number)
        same_kind(view, source, output)
        calls.append(
            copy(view, source.shape, (source, 0, steps_of(source.shape)), (output, place * steps[axis], steps))
        )
        place += source.shape[axis]
    return Lowered(tuple(calls))


def split(view: View) -> Lowered:
    """Into equal parts; the axis comes first."""
    return _parts(view, view.input(1), view.whole_numbers(0)[0])


def split_v(view: View) -> Lowered:
    """Into parts of given sizes."""
    return _parts(view, view.input(0), view.whole_numbers(2)[0])


def _parts(view: View, source: Tensor, along: int) -> Lowered:
    axis = along % len(source.shape)
    steps, calls, place = steps_of(source.shape), [], 0
    for number in range(len(view.operator.outputs)):
        output = view.output(number)
        same_kind(view, source, output)
        calls.append(
            copy(view, output.shape, (source, place * steps[axis], steps), (output, 0, steps_of(output.shape)))
        )
        place += output.shape[axis]
    if place != source.shape[axis]:
        raise view.wrong(f"parts of {place} along axis {axis}", f"{source.shape[axis]}")
    return Lowered(tuple(calls))


def slice_(view: View) -> Lowered:
    """From a constant place on."""
    source, output = view.input(0), view.output()
    begin = view.whole_numbers(1)
    return _sliced(view, [(start, 1) for start in begin], output.shape) if source.shape else Lowered(())


def strided_slice(view: View) -> Lowered:
    """With constant ends and steps, as Python slices; single elements may be taken without their axis."""
    source = view.input(0)
    if view.option("ellipsisMask") or view.option("newAxisMask"):
        raise view.wrong("an ellipsis or a new axis", "plain begins, ends and steps")
    begin, end, step = (view.whole_numbers(place) for place in (1, 2, 3))
    taken, shape = [], []
    for axis, size in enumerate(source.shape):
        low = None if view.option("beginMask") >> axis & 1 else begin[axis]
        high = None if view.option("endMask") >> axis & 1 else end[axis]
        if view.option("shrinkAxisMask") >> axis & 1:
            taken.append((begin[axis] % size, 1))
            shape.append(1)
            continue
        indices = range(*slice(low, high, step[axis]).indices(size))
        taken.append((indices.start, indices.step))
        shape.append(len(indices))
    return _sliced(view, taken, shape)


def _sliced(view: View, taken: Sequence[tuple[int, int]], shape: Sequence[int]) -> Lowered:
    source, output = view.input(0), view.output()
    same_kind(view, source, output)
    if int(np.prod(shape)) != output.size or not output.size:
        raise view.wrong(f"a slice of shape {tuple(shape)} for {output.shape}", "the same elements, at least one")
    steps = steps_of(source.shape)
    start = sum(first * step for (first, _), step in zip(taken, steps, strict=True))
    walk = [step * stride for (_, stride), step in zip(taken, steps, strict=True)]
    return Lowered((copy(view, shape, (source, start, walk), (output, 0, steps_of(shape))),))


def resize_nearest_neighbor(view: View) -> Lowered:
    """Rows and columns of the input, chosen here.

    Source: TFLite, ``reference_ops::GetNearestNeighbor``: in float32.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    same_kind(view, source, output)
    if len(source.shape) != 4 or source.shape[0] != 1:
        raise view.wrong(f"input of shape {source.shape}", "one image (1, height, width, channels)")
    view.sixteen_bits(*source.shape, *output.shape)
    rows, columns = (_nearest(view, source.shape[axis], output.shape[axis]) for axis in (1, 2))
    spec: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "output_height": len(rows),
        "output_width": len(columns),
        "row_bytes": source.shape[2] * source.shape[3],
        "cell_bytes": source.shape[3],
    }
    return Lowered((Call("resize_nearest_neighbor", spec, (source.number,), (output.number,)),))


def _nearest(view: View, size: int, wanted: int) -> Any:
    corners, half = bool(view.option("alignCorners")), bool(view.option("halfPixelCenters"))
    one = np.float32
    scale = one(size - 1) / one(wanted - 1) if corners and wanted > 1 else one(size) / one(wanted)
    places = [float((one(i) + one(0.5 if half else 0)) * scale) for i in range(wanted)]
    found = [away_from_zero(place) if corners else int(np.floor(place)) for place in places]
    return np.array([max(0, min(place, size - 1)) for place in found], np.uint16)
