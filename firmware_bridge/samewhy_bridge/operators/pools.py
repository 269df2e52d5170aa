"""Pools: windows over each channel by itself."""

from samewhy_bridge.calls import Call, Lowered
from samewhy_bridge.operators.geometry import geometry
from samewhy_bridge.operators.view import View


def average_pool_2d(view: View) -> Lowered:
    """Over codes, whose scale the output shares."""
    return _pool(view, "average_pool_2d")


def max_pool_2d(view: View) -> Lowered:
    """As the average."""
    return _pool(view, "max_pool_2d")


def _pool(view: View, kernel: str) -> Lowered:
    source, output = view.codes(view.input(0)), view.codes(view.output())
    view.same_steps(source, output)
    found = geometry(view, (int(view.option("filterHeight")), int(view.option("filterWidth"))), dilated=False)
    low, high = view.bounds()
    spec = {
        "input_height": found.input[0],
        "input_width": found.input[1],
        "channels": source.shape[-1],
        "output_height": found.output[0],
        "output_width": found.output[1],
        "kernel_height": found.kernel[0],
        "kernel_width": found.kernel[1],
        "stride_height": found.stride[0],
        "stride_width": found.stride[1],
        "padding_top": found.padding[0],
        "padding_left": found.padding[1],
        "low": low,
        "high": high,
    }
    call = Call(kernel, spec, (source.number,), (output.number,), spec_type="pool")
    return Lowered((call,), over=(source.number,) if found.apart else ())
