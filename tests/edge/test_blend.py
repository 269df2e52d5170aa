import subprocess
import sys
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samewhy_edge import blend as module
from samewhy_edge.arrays import Keep, Sample
from samewhy_edge.blend import (
    PLAIN,
    blend,
    blend_codes,
    blocked,
    blocked_reals,
    compiled,
    fused,
    fused_reals,
    trusted,
)
from samewhy_edge.quant import Affine

KINDS = ("int8", "uint8", "int16")


class Case(NamedTuple):
    sample: Sample
    keep: Keep
    background: Sample
    coding: Affine


@st.composite
def cases(draw: st.DrawFn, sizes: int = 9) -> Case:
    """Samples of one or two axes; masks with or without channels, of 0 and 1 or between; values on and off ties."""
    spatial = draw(st.lists(st.integers(1, sizes), min_size=1, max_size=2))
    channels = draw(st.sampled_from((1, 2, 3, 6)))
    drawn = np.random.default_rng(draw(st.integers(0, 2**20)))
    shape, apart = (*spatial, channels), draw(st.booleans())
    masks = (draw(st.integers(1, 7)), *(shape if apart else spatial))
    soft = draw(st.sampled_from((1, 2, 4, 2**20)))  # with 1, 2 and 4 steps most codes are ties of rounding
    keep = (drawn.integers(0, soft + 1, masks) / soft).astype(np.float32)
    coding = Affine(
        draw(st.sampled_from((0.5, 1 / 255, 0.0235, 3.0))),
        draw(st.integers(-100, 100) if draw(st.booleans()) else st.just(0)),
        draw(st.sampled_from(KINDS)),
    )
    reach = draw(st.sampled_from((3, 100, 40_000)))  # codes of the largest saturate
    halves = drawn.integers(-reach, reach + 1, (2, *shape)) * coding.scale / 2
    sample, other = halves[0].astype(np.float32), halves[1].astype(np.float32)
    background = draw(st.sampled_from((np.zeros_like(sample), other)))
    return Case(sample, keep, background, coding)


def by_definition(case: Case) -> Any:
    """One value after the other in float32, as the formula says."""
    shown = case.keep if case.keep.ndim > case.sample.ndim else case.keep[..., None]
    one, wide = np.float32(1), np.broadcast_to(shown, (len(case.keep), *case.sample.shape))
    return np.stack([mask * case.sample + (one - mask) * case.background for mask in wide])


@given(cases())
def test_codes_are_those_of_the_blended_samples_bit_for_bit(case: Case) -> None:
    known = case.coding.encode(by_definition(case))
    assert known.dtype == case.coding.dtype
    for codes in (
        case.coding.encode(blend(*case[:3])),
        blocked(*case),
        blend_codes(*case),
    ):
        assert (codes.dtype, codes.shape) == (known.dtype, known.shape)
        assert np.array_equal(codes, known)


@given(cases(sizes=4))
@settings(max_examples=25)
def test_the_loops_give_the_same_codes_without_a_compiler(case: Case) -> None:
    assert np.array_equal(fused(*case, PLAIN), blocked(*case))
    assert fused_reals(*case[:3], PLAIN).tobytes() == blocked_reals(*case[:3]).tobytes()


@given(cases())
def test_the_compiled_loops_give_the_same_codes(case: Case) -> None:
    pytest.importorskip("numba")
    assert np.array_equal(fused(*case, compiled()), blocked(*case))
    assert fused_reals(*case[:3], compiled()).tobytes() == blocked_reals(*case[:3]).tobytes()


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_both_ways_give_the_same_codes_for_every_tie_and_both_ends(channels: int) -> None:
    values = np.arange(-600, 600, dtype=np.float32)[: 1200 // channels * channels].reshape(-1, channels) / 2
    keep, coding = np.array([[1.0], [0.0], [0.5], [0.25]], np.float32).repeat(len(values), 1), Affine(1.0, 3, "int8")
    known = coding.encode(by_definition(Case(values, keep, values[::-1] / 2, coding)))
    assert {-128, 127} <= set(known.ravel().tolist())
    assert np.array_equal(fused(values, keep, values[::-1] / 2, coding, PLAIN), known)
    assert np.array_equal(blocked(values, keep, values[::-1] / 2, coding), known)


@given(case=cases())
@settings(suppress_health_check=())
def test_blocks_cut_in_both_directions_leave_nothing_out(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", 16)
        seen = np.zeros((len(case.keep), case.sample.size), np.int64)
        for place, values in module.blocks(*case[:3]):
            assert values.size <= max(16, case.sample.shape[-1])
            seen[place] += 1
        assert (seen == 1).all()
        assert np.array_equal(blocked(*case), case.coding.encode(by_definition(case)))
        assert np.array_equal(blend(*case[:3]), by_definition(case))


def test_what_is_given_is_left_as_it_is_and_may_be_read_only() -> None:
    sample, keep = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3), np.full((2, 4), 0.5, np.float32)
    before = sample.tobytes(), keep.tobytes()
    for array in (sample, keep):
        array.setflags(write=False)
    given = sample, keep, sample[::-1], Affine(0.01, 0, "int8")
    known = blocked(*given)
    assert np.array_equal(fused(*given, PLAIN), known)
    if trusted("int8"):
        assert np.array_equal(fused(*given, compiled()), known)
    assert (sample.tobytes(), keep.tobytes()) == before


@pytest.mark.parametrize("kind", [*KINDS, "float32"])
def test_loops_are_trusted_where_numba_is_installed(kind: str) -> None:
    pytest.importorskip("numba")
    assert trusted(kind)


def test_numba_is_left_alone_until_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[str] = []
    monkeypatch.setattr(module, "DONE", module.Work())
    monkeypatch.setattr(module, "PAYS", 100)
    monkeypatch.setattr(module, "trusted", lambda _: True)
    monkeypatch.setattr(module, "compiled", lambda: PLAIN)
    for name in ("blocked", "fused", "blocked_reals", "fused_reals"):
        monkeypatch.setattr(module, name, noting(getattr(module, name), name, ways))
    sample, keep = np.ones((10, 2), np.float32), np.ones((3, 10), np.float32)  # 60 values
    for _ in range(4):
        blend_codes(sample, keep, sample, Affine(1.0, 0, "int8"))
    assert ways == ["blocked", "blocked", "fused", "fused"]
    blend(sample, keep, sample)
    assert ways[4:] == ["fused_reals"]


def noting(way: Any, name: str, ways: list[str]) -> Any:
    def work(*given: Any) -> Any:
        ways.append(name)
        return way(*given)

    return work


def wrong(keep: Any, sample: Any, background: Any, codes: Any, *_: Any) -> None:
    """A loop that gives other codes."""
    codes[:] = 1


@pytest.mark.parametrize(
    "fails", [{1: wrong, 3: wrong, 0: wrong, -1: wrong}, RuntimeError("no locator"), OSError("disk full")]
)
def test_loops_that_fail_or_give_other_codes_are_not_used(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        if isinstance(fails, Exception):
            raise fails
        return fails

    monkeypatch.setattr(module, "compiled", broken)
    monkeypatch.setattr(module, "trusted", trusted.__wrapped__)
    monkeypatch.setattr(module, "PAYS", 0)
    sample, keep, coding = np.ones((4, 2), np.float32), np.full((3, 4), 0.5, np.float32), Affine(0.25, 0, "int8")
    assert np.array_equal(blend_codes(sample, keep, 0 * sample, coding), np.full((3, 4, 2), 2, np.int8))
    assert np.array_equal(blend(sample, keep, 0 * sample), np.full((3, 4, 2), 0.5, np.float32))


LATE = """
import sys
import numpy as np
from samewhy_edge import blend
from samewhy_edge.quant import Affine
assert "numba" not in sys.modules
{spoil}
blend.PAYS = 0
sample = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
given = sample, np.full((2, 4), 0.5, np.float32), 0 * sample, Affine(0.01, 0, "int8")
assert np.array_equal(blend.blend_codes(*given), given[3].encode(blend.blend(*given[:3])))
print(blend.trusted("int8"))
"""
SPOILS = {
    "no numba": ('sys.modules["numba"] = None', False),
    "no folder": (
        "import numba.core.caching as c\n"
        "def refuse(self): raise OSError('read-only')\n"
        "c._CacheLocator.ensure_cache_path = refuse",
        True,
    ),
    "full disk": (
        "import numba.core.caching as c\n"
        "def refuse(*_): raise OSError('no space left')\n"
        "c.IndexDataCacheFile.save = c.IndexDataCacheFile.load = refuse",
        False,
    ),
}


@pytest.mark.parametrize("name", SPOILS)
def test_codes_are_made_whatever_is_wrong_with_the_compiler(name: str) -> None:
    spoil, works = SPOILS[name]
    if find_spec("numba") is None and name != "no numba":
        pytest.skip("numba is not installed")
    assert in_process(LATE.format(spoil=spoil)) == f"{works}"


def in_process(lines: str, **environment: str) -> str:
    """What lines of Python print in a process of their own, in which warnings are errors."""
    words = [sys.executable, "-W", "error", "-c", lines]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_processes_that_compile_at_once_do_not_disturb_each_other(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    words = [sys.executable, "-W", "error", "-c", LATE.format(spoil="")]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=300)[0].strip() for process in running] == ["True"] * 2
    assert list((tmp_path / "cache").rglob("*.nbc"))
