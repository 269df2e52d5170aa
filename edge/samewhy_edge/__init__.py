"""The device part of samewhy: numpy and one interpreter."""

from importlib.metadata import version

from samewhy_edge.errors import SamewhyError
from samewhy_edge.predictor import Predictor, Subject, open_predictor

__all__ = ["Predictor", "SamewhyError", "Subject", "__version__", "open_predictor"]
__version__ = version("samewhy")
