"""The device part of samewhy: numpy and one interpreter."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from samewhy_edge.errors import SamewhyError

if TYPE_CHECKING:
    from samewhy_edge.predictor import Predictor, Subject, open_predictor

__all__ = ["Predictor", "SamewhyError", "Subject", "__version__", "open_predictor"]
__version__ = version("samewhy")


def __getattr__(name: str) -> Any:
    # `samewhy --help` on a Pi should not wait for numpy: what needs it is loaded when it is named.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from samewhy_edge import predictor

    return getattr(predictor, name)
