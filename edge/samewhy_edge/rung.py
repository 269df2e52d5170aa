"""What is under study, and on what it runs: artifact × runtime × kernels × machine."""

import hashlib
import platform
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file, known by its content."""

    sha256: str
    bytes: int


@final
@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder. The same file under other kernels, or on another machine, is another rung."""

    artifact: Artifact
    runtime: str  # "ai-edge-litert 2.1.0"
    kernels: str  # "xnnpack" | "builtin" | "reference" | ...
    machine: str  # "x86_64 AMD EPYC"


def artifact(path: Path) -> Artifact:
    """The identity of a file."""
    content = path.read_bytes()
    return Artifact(hashlib.sha256(content).hexdigest(), len(content))


def changed(above: Rung, below: Rung) -> tuple[str, ...]:
    """Fields in which two rungs differ; a step that isolates one cause has exactly one."""
    return tuple(f.name for f in fields(Rung) if getattr(above, f.name) != getattr(below, f.name))


@cache
def machine() -> str:
    """Architecture and processor of this machine, as far as it tells."""
    return f"{platform.machine()} {_processor()}".strip()


def _processor() -> str:
    # "model name" is what Linux prints on x86, "Model" on a Raspberry Pi; other systems answer through platform
    named = ("model name", "Model")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() in named), "")
