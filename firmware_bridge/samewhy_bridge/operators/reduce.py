"""Means over axes."""

from itertools import groupby

from samewhy_bridge.calls import Call, Field, Lowered, elements
from samewhy_bridge.fixed_point import Factor, factor
from samewhy_bridge.operators.view import View

KEPT, REDUCED = 3, 2  # axes that the C kernel walks over, in turn


def mean(view: View) -> Lowered:
    """One requantization of the sum; the number of elements is folded into its factor.

    Source: TFLite Micro, ``QuantizedMeanOrSum``.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    rank = len(source.shape)
    axes = {axis % rank for axis in view.whole_numbers(1) if -rank <= axis < rank}
    count = elements(*(source.shape[axis] for axis in axes))
    found = divided(factor(source.scale / output.scale), count)
    kept, reduced = _turns(view, source.shape, axes)
    spec: dict[str, Field] = {
        "kept": kept,
        "reduced": reduced,
        "factor": found.value,
        "shift": found.shift,
        "zero_point": output.zero_point,
        "offset": source.zero_point * count,
    }
    return Lowered((Call("mean", spec, (source.number,), (output.number,)),), over=(source.number,))


def divided(scale: Factor, count: int) -> Factor:
    """By a whole number: as many bits as `count` has are kept, the rest is cut."""
    shift = min(count.bit_length() - 1, 32, 31 + scale.shift)
    return Factor((scale.value << shift) // count, scale.shift - shift)


def _turns(view: View, shape: tuple[int, ...], axes: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes of kept and reduced axes in turn, beginning and ending with a kept one."""
    longer = [axis for axis, size in enumerate(shape) if size > 1]
    runs = [(key, elements(*(shape[axis] for axis in run))) for key, run in groupby(longer, axes.__contains__)]
    kept, reduced = [1], []
    for is_reduced, size in runs:
        if is_reduced:
            reduced.append(size)
            kept.append(1)
        else:
            kept[-1] = size
    if len(reduced) > REDUCED:
        raise view.wrong(f"a mean over axes {sorted(axes)} of shape {shape}", f"at most {REDUCED} runs of axes")
    front = REDUCED - len(reduced)
    return (1,) * front + tuple(kept), (1,) * front + tuple(reduced)
