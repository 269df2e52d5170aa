"""Steps that are done once: each in a folder named by the digest of all that decides its result.

A step works in ``NAME-DIGEST.partial``, which is renamed when it is done; a killed run finds its partial folder again
and goes on from what lies in it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, final

from samewhy_edge.errors import OutputError
from samewhy_edge.files import write_json


@final
@dataclass(frozen=True, slots=True)
class Step:
    """A step, done or not."""

    folder: Path  # when it is done
    inputs: Mapping[str, Any]

    @property
    def done(self) -> bool:
        """Whether it was done, now or in an earlier run."""
        return self.folder.is_dir()

    @property
    def partial(self) -> Path:
        """Where it works until it is done."""
        return self.folder.with_name(self.folder.name + ".partial")

    def begin(self) -> Path:
        """The folder to work in.

        Raises:
            OutputError: the folder cannot be written.
        """
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.partial}: cannot be written ({error.strerror}); choose another --out") from error
        return self.partial

    def end(self) -> Path:
        """Its folder, now that what was to be done lies in it."""
        write_json(self.partial / "inputs.json", dict(self.inputs))
        return self.partial.rename(self.folder)


@final
@dataclass(frozen=True, slots=True)
class Steps:
    """The finished steps of a run."""

    folder: Path

    def step(self, name: str, inputs: Mapping[str, Any], code: Sequence[ModuleType]) -> Step:
        """The step that these inputs and this code are."""
        key = {"inputs": inputs, "code": [digest_of(module) for module in code]}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        return Step(self.folder / f"{name}-{digest}", inputs)

    def once(
        self, name: str, inputs: Mapping[str, Any], code: Sequence[ModuleType], make: Callable[[Path], object]
    ) -> Path:
        """The folder in which `make` did its work, now or in an earlier run with the same inputs and the same code.

        Raises:
            OutputError: the folder cannot be written.
        """
        step = self.step(name, inputs, code)
        if step.done:
            return step.folder
        make(step.begin())
        return step.end()


def digest_of(module: ModuleType) -> str:
    """SHA-256 of a module's source: changed code is another step."""
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
