import hashlib
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from samewhy_edge.rung import Artifact, artifact, changed, machine
from tests.worlds import RUNG


@pytest.mark.parametrize("field", ["runtime", "kernels", "machine"])
def test_a_changed_field_is_named(field: str) -> None:
    changes: dict[str, Any] = {field: "another"}
    assert changed(RUNG, replace(RUNG, **changes)) == (field,)


def test_all_changed_fields_are_named_and_nothing_for_a_rung_with_itself() -> None:
    other = replace(RUNG, artifact=Artifact("0" * 64, 1), kernels="another")
    assert changed(RUNG, other) == ("artifact", "kernels")
    assert changed(RUNG, RUNG) == ()


def test_an_artifact_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"model")
    (tmp_path / "b").write_bytes(b"model")
    assert artifact(tmp_path / "a") == artifact(tmp_path / "b")
    assert artifact(tmp_path / "a") == Artifact(hashlib.sha256(b"model").hexdigest(), 5)


def test_the_machine_starts_with_its_architecture() -> None:
    assert machine().split()[0] == platform.machine()
