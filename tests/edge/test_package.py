import importlib.metadata
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import samewhy_edge

ROOT = Path(samewhy_edge.__file__).parents[2]


def test_the_public_names_are_these() -> None:
    assert sorted(samewhy_edge.__all__) == ["Predictor", "SamewhyError", "Subject", "__version__", "open_predictor"]
    assert all(hasattr(samewhy_edge, name) for name in samewhy_edge.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    assert samewhy_edge.__version__ == importlib.metadata.version("samewhy")


@pytest.mark.parametrize("module", ["samewhy_edge", "samewhy_edge.explain", "samewhy_edge.record"])
def test_importing_loads_no_interpreter_and_no_command_line(module: str, elsewhere: Callable[[str], str]) -> None:
    heavy = {"ai_edge_litert", "tflite_runtime", "typer", "rich", "torch", "tensorflow"}
    lines = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    assert elsewhere(lines) == "[]"


def test_opening_a_file_loads_no_command_line(elsewhere: Callable[[str], str]) -> None:
    lines = (
        "import sys, samewhy_edge.litert; print(sorted({'typer', 'rich', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    assert elsewhere(lines) == "[]"


def test_the_types_are_shipped() -> None:
    assert (Path(samewhy_edge.__file__).parent / "py.typed").is_file()


def test_litert_is_a_row_of_the_table_of_runtimes() -> None:
    points = {point.name: point.value for point in importlib.metadata.entry_points(group="samewhy.runtimes")}
    assert points["litert"] == "samewhy_edge.litert:open_litert"


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="installed without its project file")
def test_the_base_install_stays_short() -> None:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {need.partition(">")[0].partition(";")[0].strip() for need in needs}
    assert names == {"numpy", "ai-edge-litert", "tflite-runtime", "typer", "rich"}


def test_the_command_line_starts_without_numpy(elsewhere: Callable[[str], str]) -> None:
    assert elsewhere("import sys, samewhy_edge.cli; print('numpy' in sys.modules)") == "False"


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'open_predicter'"):
        samewhy_edge.open_predicter  # noqa: B018
