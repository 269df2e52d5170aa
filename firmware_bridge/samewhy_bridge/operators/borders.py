"""Where real numbers become codes, and codes real numbers."""

from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.operators.unary import requantize
from samewhy_bridge.operators.view import View, held

KINDS = (("float32", "int8"), ("int8", "int8"), ("int8", "uint8"), ("uint8", "int8"))  # those of TFLite Micro


def quantize(view: View) -> Lowered:
    """Of floats, or of codes in other steps."""
    source, output = view.input(0), view.output()
    real = source.dtype == "float32"
    if (source.dtype, output.dtype) not in KINDS or len(output.scales) != 1 or not (real or len(source.scales) == 1):
        raise view.wrong(f"{held(source)} to {held(output)}", "float32 to int8, or int8 and uint8, with one scale each")
    if not real:
        return requantize(view)
    spec: dict[str, Field] = {"scale": output.scale, "elements": source.size, "zero_point": output.zero_point}
    return Lowered((Call("quantize", spec, (source.number,), (output.number,)),), over=(source.number,))


def dequantize(view: View) -> Lowered:
    """To floats."""
    source, output = view.codes(view.input(0)), view.output()
    if output.dtype != "float32":
        raise view.wrong(f"output holds {held(output)}", "float32")
    spec: dict[str, Field] = {"scale": source.scale, "elements": source.size, "zero_point": source.zero_point}
    return Lowered((Call("dequantize", spec, (source.number,), (output.number,)),))
