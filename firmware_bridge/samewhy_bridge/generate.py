"""A folder of C for a target: the same bytes every time."""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from samewhy_bridge.chips import Chip, chip_named
from samewhy_bridge.emit import flash_of
from samewhy_bridge.graph import Graph, read_graph
from samewhy_bridge.program import program_of
from samewhy_bridge.projects import Files, project_of
from samewhy_bridge.sizes import size_report
from samewhy_bridge.targets import Maker, Target, target_named
from samewhy_bridge.tflm_project import counted, tflm_folder
from samewhy_edge.errors import InputError, OutputError
from samewhy_edge.files import sha256, write_bytes

MANIFEST = "manifest.json"
GENERATOR = "samewhy firmware generate"
SCHEMA = 1


def generate(model: Path, target: str, chip: str | None, out: Path) -> dict[str, Any]:
    """Write the folder; what it holds, as its ``manifest.json`` says.

    Raises:
        ArtifactError: the file is missing, broken, or something in it is not supported.
        InputError: no such target or chip, or a chip for a target that takes none.
        OutputError: the folder holds what this function did not write, or cannot be written.
    """
    kind = target_named(target)
    chosen = _chip(target, kind, chip)
    graph = read_graph(model)
    name = identifier(model.stem)
    files, told = tflm_folder(model, graph, name) if kind.files is None else _folder(graph, name, kind.files, chosen)
    manifest = {
        "schema": SCHEMA,
        "generator": GENERATOR,
        "version": version("samewhy"),
        "model": {"file": model.name, "sha256": graph.sha256, "bytes": graph.bytes},
        "target": target,
        "chip": chosen.name if chosen else None,
        **told,
        "files": {path: sha256(content) for path, content in sorted(files.items())},
    }
    _write(out, files, manifest)
    return manifest


def _folder(graph: Graph, name: str, made: Maker, chip: Chip | None) -> tuple[Files, dict[str, Any]]:
    """The files of a target for which the model is compiled, and what the manifest tells of it."""
    program = program_of(graph)
    files = {**made(project_of(program, name), chip), "size.txt": size_report(program).encode()}
    return files, {
        "operators": counted(graph.operators[place].kind for place in program.steps),
        "kernels": program.kernels,
        "arena_bytes": program.arena.bytes,
        "arena_least_bytes": program.arena.least,
        "constant_bytes": flash_of(program).bytes,
        "file_constant_bytes": program.file_constant_bytes,
        "macs": program.macs,
    }


def _chip(target: str, kind: Target, name: str | None) -> Chip | None:
    if kind.chip is None and name is not None:
        raise InputError(f"--chip {name}: target {target} is for no chip; leave it out, or take --target cortex-m")
    return None if kind.chip is None else chip_named(name or kind.chip)


def identifier(name: str) -> str:
    """A name for a build system."""
    return re.sub(r"\W+", "_", f"samewhy_{name}", flags=re.ASCII)


def _write(out: Path, files: Files, manifest: Mapping[str, Any]) -> None:
    """The manifest last: a folder that has one is whole."""
    for stale in _ours(out) - set(files):
        (out / stale).unlink(missing_ok=True)
    for path, content in files.items():
        write_bytes(out / path, content)
    write_bytes(out / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _ours(out: Path) -> set[str]:
    """Files in the folder that a run before wrote.

    Raises:
        OutputError: it holds others alone.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return set()
    try:
        found = json.loads((out / MANIFEST).read_text())
        if found["generator"] == GENERATOR:
            return {path for path in found["files"] if ".." not in Path(path).parts and not Path(path).is_absolute()}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise OutputError(
        f"{out}: holds what samewhy did not generate; expected a new or empty folder, choose another --out"
    )
