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
class Steps:
    """The finished steps of a run."""

    folder: Path

    def once(
        self, name: str, inputs: Mapping[str, Any], code: Sequence[ModuleType], make: Callable[[Path], object]
    ) -> Path:
        """The folder in which `make` did its work, now or in an earlier run with the same inputs and the same code.

        Raises:
            OutputError: the folder cannot be written.
        """
        key = {"inputs": inputs, "code": [digest_of(module) for module in code]}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
        done = self.folder / f"{name}-{digest}"
        if done.is_dir():
            return done
        partial = done.with_name(done.name + ".partial")
        try:
            partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{partial}: cannot be written ({error.strerror}); choose another --out") from error
        make(partial)
        write_json(partial / "inputs.json", dict(inputs))
        partial.rename(done)
        return done


def digest_of(module: ModuleType) -> str:
    """SHA-256 of a module's source: changed code is another step."""
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
