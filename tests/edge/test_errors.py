import inspect

from samewhy_edge import errors
from samewhy_edge.errors import SamewhyError, unknown


def test_a_wrong_name_gets_the_nearest_and_all_known_ones_in_order() -> None:
    assert unknown("method", "ries", ["rise", "occlusion"]) == (
        "unknown method 'ries'; did you mean 'rise'? known: occlusion, rise"
    )


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert unknown("method", "zzz", ["rise", "occlusion"]) == "unknown method 'zzz'; known: occlusion, rise"


def test_every_error_hangs_in_the_tree_and_is_drawn_there() -> None:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert all(issubclass(kind, SamewhyError) for kind in found)
    assert [kind.__name__ for kind in found if kind.__name__ not in str(errors.__doc__)] == []
