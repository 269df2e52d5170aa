"""What every generated folder has, and how a template of it is filled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import final

from samewhy_bridge.emit import sources
from samewhy_bridge.kernel_files import C, closure
from samewhy_bridge.program import Program

TEMPLATES = Path(__file__).parent / "templates"
MAIN = "main.c"
PLAIN = re.compile(r"[^A-Za-z0-9_.-]")  # what could mean something in a file of settings

Files = Mapping[str, bytes]  # by path in the folder, with "/"


@final
@dataclass(frozen=True, slots=True)
class Project:
    """The C that is the same for every target."""

    name: str  # of the model, as an identifier
    file: str  # the model's, without its suffix
    sha256: str
    model: Files  # the model and its kernels
    wire: Files  # what answers over a port, main.c among it

    @property
    def files(self) -> Files:
        """All of it."""
        return {**self.model, **self.wire}

    @property
    def wire_alone(self) -> Files:
        """Without main.c."""
        return {path: content for path, content in self.wire.items() if path != MAIN}


def project_of(program: Program, name: str) -> Project:
    """The files that every target has."""
    model = {**sources(program), "samewhy.h": read("samewhy.h"), **closure(program.kernels)}
    return Project(name, program.graph.name, program.graph.sha256, model, wire_files())


def wire_files() -> Files:
    """What answers over a port, whatever the model."""
    wire = {f"wire/{path.name}": path.read_bytes() for path in sorted((C / "wire").glob("*.[ch]"))}
    return {**wire, MAIN: read(MAIN)}


def read(name: str) -> bytes:
    """A C source of this package."""
    return (C / name).read_bytes()


def ports(*names: str) -> Files:
    """Sources of ports, in a folder of theirs."""
    return {f"port/{name}": read(f"port/{name}") for name in names}


def filled(template: str, project: Project, **more: str) -> bytes:
    """A template with the project's names and whatever `more` there is."""
    names = {"name": project.name, "file": PLAIN.sub("_", project.file), "sha256": project.sha256}
    return Template((TEMPLATES / template).read_text()).substitute(names, **more).encode()


def plain(name: str) -> bytes:
    """A template that has nothing to fill."""
    return (TEMPLATES / name).read_bytes()


def compiled(files: Files, below: str = "") -> str:
    """Sources for a list of CMake, as they are called from another folder."""
    return " ".join(f"{below}{path}" for path in sorted(files) if path.endswith((".c", ".cc", ".cpp")))
