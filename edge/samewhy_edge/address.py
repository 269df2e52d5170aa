"""``runtime:path?option=value``: how everything that can be asked is named."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final
from urllib.parse import parse_qsl

from samewhy_edge.errors import AddressError, ArtifactError, unknown


@final
@dataclass(frozen=True, slots=True)
class Address:
    """``runtime:path?option=value&option=value``, taken apart."""

    runtime: str
    path: Path
    options: Mapping[str, str]
    rest: str = field(default="", compare=False)  # all behind the runtime's colon, as it was written

    def only(self, *known: str) -> None:
        """Refuse options that the runtime does not have.

        Raises:
            AddressError: naming the option and the known ones.
        """
        for name in self.options:
            if name not in known:
                raise AddressError(f"{unknown(f'option of {self.runtime}:', name, known)}")

    def never(self, why: str, *names: str) -> None:
        """Refuse options that make no sense here.

        Raises:
            AddressError: naming the option and why.
        """
        for name in names:
            if name in self.options:
                raise AddressError(f"{name}={self.options[name]}: {why}; leave it out")

    def choice(self, option: str, known: tuple[str, ...]) -> str:
        """The option's value, the first of `known` where it is not given.

        Raises:
            AddressError: a value that is not in `known`.
        """
        found = self.options.get(option, known[0])
        if found not in known:
            raise AddressError(unknown(option, found, known))
        return found

    def count(self, option: str, default: int) -> int:
        """The option's value, a whole number of at least 1.

        Raises:
            AddressError: the value is something else.
        """
        found = self.options.get(option, str(default))
        if not found.isdecimal() or int(found) < 1:
            raise AddressError(f"{option}={found}: expected a whole number of at least 1")
        return int(found)

    def number(self, option: str, default: float) -> float:
        """The option's value, a number above 0.

        Raises:
            AddressError: the value is something else.
        """
        found = self.options.get(option, str(default))
        try:
            value = float(found)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise AddressError(f"{option}={found}: expected a number above 0")
        return value

    def sizes(self, option: str) -> tuple[int, ...] | None:
        """The option's value, whole numbers as in ``28x28x1``; None where it is not given.

        Raises:
            AddressError: the value is something else.
        """
        found = self.options.get(option)
        if found is None:
            return None
        if not all(size.isdecimal() and int(size) for size in found.split("x")):
            raise AddressError(f"{option}={found}: expected sizes such as 28x28x1")
        return tuple(int(size) for size in found.split("x"))

    def file(self) -> Path:
        """The path, once it is known to be a file.

        Raises:
            ArtifactError: there is no such file.
        """
        if not self.path.is_file():
            what = "a folder" if self.path.is_dir() else "no file"
            raise ArtifactError(f"{self.path}: found {what}, expected a model file; check the path in the address")
        return self.path


def parse_address(text: str) -> Address:
    """Take an address apart.

    Raises:
        AddressError: there is no runtime before a colon, or no path behind it.
    """
    runtime, colon, rest = text.partition(":")
    path, _, query = rest.partition("?")
    if not colon or not runtime or not path:
        raise AddressError(f"address {text!r}: expected runtime:path, for example litert:model.tflite?kernels=xnnpack")
    return Address(runtime, Path(path), dict(parse_qsl(query, keep_blank_values=True)), rest)
