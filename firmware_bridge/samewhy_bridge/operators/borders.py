"""Where real numbers become codes, and codes real numbers."""

import numpy as np

from samewhy_bridge.calls import Call, Lowered
from samewhy_bridge.operators.unary import requantize
from samewhy_bridge.operators.view import View, held

EIGHT_BITS = ("int8", "uint8")


def quantize(view: View) -> Lowered:
    """Of floats, or of codes in other steps."""
    source, output = view.input(0), view.output()
    if output.dtype not in EIGHT_BITS or len(output.scales) != 1:
        raise view.wrong(f"output holds {held(output)}", "int8 or uint8 with one scale")
    if source.dtype in EIGHT_BITS and len(source.scales) == 1:
        return requantize(view)
    if source.dtype != "float32":
        raise view.wrong(f"input holds {held(source)}", "float32, or int8 or uint8 with one scale")
    ends = np.iinfo(output.dtype)
    spec = {
        "scale": output.scale,
        "elements": source.size,
        "zero_point": output.zero_point,
        "low": int(ends.min),
        "high": int(ends.max),
    }
    return Lowered((Call("quantize", spec, (source.number,), (output.number,)),), over=(source.number,))


def dequantize(view: View) -> Lowered:
    """To floats."""
    source, output = view.codes(view.input(0)), view.output()
    if output.dtype != "float32":
        raise view.wrong(f"output holds {held(output)}", "float32")
    spec = {"scale": source.scale, "elements": source.size, "zero_point": source.zero_point}
    return Lowered((Call("dequantize", spec, (source.number,), (output.number,)),))
