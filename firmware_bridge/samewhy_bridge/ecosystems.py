"""Folders as four ecosystems expect them: an Arduino library, an ESP-IDF project, a Zephyr application, a Pico one."""

from samewhy_bridge.chips import Chip
from samewhy_bridge.projects import MAIN, Files, Project, compiled, filled, plain, ports


def arduino(project: Project, _: Chip | None) -> Files:
    """A library with two sketches: one that answers over the serial line, one that uses the network by itself."""
    wire = {**project.wire_alone, "wire/samewhy_port.h": _for_arduino(project.wire_alone["wire/samewhy_port.h"])}
    sources = {**project.model, **wire, **ports("port_arduino.cpp")}
    return {
        **{f"src/{path}": content for path, content in sources.items()},
        f"src/{project.name}_arduino.h": filled("arduino/library.h", project, NAME=project.name.upper()),
        "library.properties": filled("arduino/library.properties", project),
        "examples/serve/serve.ino": filled("arduino/serve.ino", project),
        "examples/classify/classify.ino": filled("arduino/classify.ino", project),
    }


def _for_arduino(header: bytes) -> bytes:
    """A library has no flags of its own, so what it would define stands in the header that asks for it."""
    before, guard, after = header.partition(b"#include <stdint.h>\n")
    return before + guard + b"\n" + plain("arduino/board.h").rstrip() + b"\n" + after


def esp_idf(project: Project, _: Chip | None) -> Files:
    """A project whose component holds the network, its wire and its port."""
    component = {**project.model, **project.wire_alone, **ports("port_esp_idf.c")}
    place = f"components/{project.name}"
    return {
        **{f"{place}/{path}": content for path, content in component.items()},
        f"{place}/CMakeLists.txt": filled("esp-idf/component.cmake", project, sources=compiled(component)),
        f"{place}/idf_component.yml": filled("esp-idf/idf_component.yml", project),
        "main/main.c": plain("esp-idf/main.c"),
        "main/CMakeLists.txt": filled("esp-idf/main.cmake", project),
        "CMakeLists.txt": filled("esp-idf/project.cmake", project),
        "sdkconfig.defaults": plain("esp-idf/sdkconfig.defaults"),
    }


def zephyr(project: Project, _: Chip | None) -> Files:
    """An application; its network is a module, for others too."""
    port = ports("port_zephyr.c", "samewhy_ring.h")
    wire = compiled({**project.wire_alone, **port, MAIN: b""})
    return {
        **project.files,
        **port,
        "CMakeLists.txt": filled("zephyr/app.cmake", project, sources=wire),
        "prj.conf": plain("zephyr/prj.conf"),
        "sample.yaml": filled("zephyr/sample.yaml", project),
        "zephyr/module.yml": filled("zephyr/module.yml", project),
        "zephyr/Kconfig": filled("zephyr/Kconfig", project),
        "zephyr/CMakeLists.txt": filled("zephyr/module.cmake", project, model=compiled(project.model, "../")),
    }


def pico(project: Project, _: Chip | None) -> Files:
    """A program that answers over USB, for the Pico SDK."""
    port = ports("port_pico.c")
    wire = compiled({**project.wire_alone, **port, MAIN: b""})
    lists = {"model": compiled(project.model), "sources": wire}
    return {**project.files, **port, "CMakeLists.txt": filled("pico/app.cmake", project, **lists)}
