import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, adapted
from samewhy_edge.fill import Background, Blur, Fill, Mean
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Each
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise
from samewhy_host.questions import BATCH, Answering, Deciding, Laid, Scoring, carried, laid, part, spans
from tests.host import small
from tests.worlds import Recording, additive, subject

SAMPLES = small.noise(7, 6, 5, 2)
WORLD = additive(6, 5, 2, seed=1)


@given(st.integers(0, 500), st.integers(-1, 600))
def test_spans_cover_all_samples_in_near_equal_parts_that_are_small_enough(samples: int, most: int) -> None:
    found = spans(samples, most)
    assert [place for start, stop in found for place in range(start, stop)] == list(range(samples))
    sizes = [stop - start for start, stop in found]
    assert max(sizes) <= max(1, most)
    assert max(sizes) - min(sizes) <= 1
    assert len(found) == max(1, -(-samples // max(1, most)))


@pytest.mark.parametrize("fill", [0.5, Mean(), Blur(1.0), "file"], ids=["number", "mean", "blur", "file"])
def test_parts_have_the_answers_of_the_whole(fill: Fill | str, tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", small.noise(7, 6, 5, 2, seed=3))  # a background each
    known: Fill = Background(str(tmp_path / "b.npy")) if isinstance(fill, str) else fill
    plans = Each(tuple(Rise(queries=10, grid=4).plan((6, 5, 2), seed) for seed in range(7)))
    for plan in (Rise(queries=10, grid=4).plan((6, 5, 2), 0), plans):
        whole = Answering(SAMPLES, plan, laid(known, SAMPLES))
        parts = [part(whole, start, stop) for start, stop in ((0, 3), (3, 4), (4, 7))]
        given = [one(subject(WORLD, (6, 5, 2), 3), lambda _: None)["answers"] for one in parts]
        expected = ask(subject(WORLD, (6, 5, 2), 3), SAMPLES, plan, known)
        assert np.concatenate(given).tobytes() == expected.tobytes()


def test_a_fill_of_a_file_is_laid_out_once_and_needs_it_no_more(tmp_path: Path) -> None:
    path = tmp_path / "b.npy"
    np.save(path, small.noise(1, 6, 5, 2, seed=3)[0])
    explainer = Hierarchy(20, fill=Background(str(path)))
    expected = adapted(WORLD, SAMPLES, np.zeros(7, np.int64), explainer, 0)[1]
    work = Deciding(SAMPLES, np.zeros(7, np.int64), carried(explainer, SAMPLES), 0, 0)
    path.unlink()
    found = pickle.loads(pickle.dumps(work))(subject(WORLD, (6, 5, 2), 3), lambda _: None)
    assert found["answers"].tobytes() == expected.tobytes()


def test_a_fill_that_does_not_fit_is_refused_where_it_is_laid_out(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", small.noise(3, 6, 5, 2))
    with pytest.raises(InputError, match="expected finite real numbers of shape"):
        laid(Background(str(tmp_path / "b.npy")), SAMPLES)


def test_a_number_goes_as_it_is() -> None:
    assert laid(0.25, SAMPLES) == 0.25
    assert isinstance(laid(Mean(), SAMPLES), Laid)


def test_whole_samples_are_scored_in_batches_that_are_told() -> None:
    world, told = Recording(WORLD), list[int]()
    many = small.noise(BATCH + 30, 6, 5, 2)
    found = Scoring(many)(subject(world, (6, 5, 2), 3), told.append)["scores"]
    assert told == [BATCH, 30]
    np.testing.assert_allclose(found, WORLD(many), rtol=0, atol=1e-4)


@pytest.mark.parametrize("explainer", [Rise(queries=10, grid=4), Occlusion((2,), (2,))], ids=["rise", "occlusion"])
def test_work_comes_through_a_pickle_with_the_same_masks(explainer: Explainer) -> None:
    plan = explainer.plan((6, 5, 2), 3)
    assert not isinstance(plan, Each)
    again = pickle.loads(pickle.dumps(Answering(SAMPLES, plan, 0.0)))
    assert again.plan.keep(0, len(plan)).tobytes() == plan.keep(0, len(plan)).tobytes()


def test_what_workers_do_imports_nothing_heavy(elsewhere: Callable[[str], str]) -> None:
    heavy = "'torch', 'onnx', 'onnxruntime', 'tensorflow', 'captum', 'matplotlib', 'ai_edge_litert'"
    lines = "import sys, samewhy_host.questions, samewhy_host.judging, samewhy_host.crew"
    assert elsewhere(f"{lines}\nprint([name for name in ({heavy}) if name in sys.modules])") == "[]"
