"""Settings that the objectives which match maps of a layer have in common."""

from samewhy_edge.errors import InputError


def check_beta(method: str, beta: float) -> None:
    """Refuse a weight that means nothing.

    Raises:
        InputError: naming what was found.
    """
    if not 0 <= beta < float("inf"):
        raise InputError(f"{method} beta = {beta}; expected a weight of at least 0")
