"""``fleet:ADDRESS,ADDRESS,...``: several devices that hold the same file, as one predictor.

Whoever is free takes the next queries. A device that fails, or is far slower than another, is left out from then on,
and its queries are asked elsewhere.
"""

import math
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, ContractError, SamewhyError, WireError
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import BATCH
from samewhy_edge.rung import changed
from samewhy_edge.testing import EXACT, ROUNDING, random_samples

PROBE = 5  # samples that all devices must answer alike
SLOW = 10  # times as long a query as the fastest device, and more than so many seconds a request:
FELT = 0.25
SEEN = 3  # requests before a device is called slow


Door = Callable[[Subject], Callable[[NDArray[Any]], Scores]]  # how a device is asked: by samples or by codes


class FleetWarning(UserWarning):
    """A device is left out."""


@final
@dataclass(slots=True)
class Device:
    """One of a fleet, and how it has done."""

    name: str  # its address
    subject: Subject
    queries: int = 0  # answered
    pace: list[float] = field(default_factory=list)  # seconds a query, of the last requests


@final
@dataclass(slots=True)
class Fleet:
    """Devices that answer alike; each is asked by as many threads at a time as it bears."""

    devices: Sequence[Device]
    merges: bool  # whether a batch may be divided: real numbers round otherwise in another batch
    _free: list[Device] = field(default_factory=list)  # as often as it can be asked now
    _lost: dict[str, str] = field(default_factory=dict)  # devices that are left out, and why
    _change: threading.Condition = field(default_factory=threading.Condition)

    def ask(self, door: Door, rows: NDArray[Any], /) -> Scores:
        """Scores (N, K) of samples or codes (N, *S, C), by a door that all devices have."""
        pieces = self._pieces(rows)
        if len(pieces) == 1:
            return self._asked(door, rows)
        with ThreadPoolExecutor(len(pieces)) as pool:
            return np.concatenate(list(pool.map(partial(self._asked, door), pieces)))

    def answered(self) -> dict[str, int]:
        """Queries that each device has answered, by address."""
        with self._change:
            return {one.name: one.queries for one in self.devices}

    def begin(self) -> None:
        """All devices are free, each as often as it bears."""
        self._free = [one for one in self.devices for _ in range(one.subject.at_once)]

    def _pieces(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        size = math.ceil(len(rows) / len(self.devices)) if self.merges else BATCH
        size = max(1, min(BATCH, size))
        return [rows[start : start + size] for start in range(0, max(1, len(rows)), size)]

    def _asked(self, door: Door, rows: NDArray[Any]) -> Scores:
        """The answer of whoever is free; another is asked where one fails."""
        while True:
            device, start = self._taken(), time.monotonic()
            try:
                scores = door(device.subject)(rows)
            except SamewhyError as error:
                self._drop(device, str(error))
                continue
            except BaseException:
                self._back(device)
                raise
            self._note(device, len(rows), time.monotonic() - start)
            return scores

    def _taken(self) -> Device:
        with self._change:
            while not self._free:
                if len(self._lost) == len(self.devices):
                    why = "; ".join(self._lost.values())
                    raise WireError(f"no device of the fleet answers any more: {why}; the answers so far are kept")
                self._change.wait()
            return self._free.pop(0)

    def _note(self, device: Device, count: int, seconds: float) -> None:
        with self._change:
            device.queries += count
            device.pace = [*device.pace[-4:], seconds / max(1, count)]
            if device.name in self._lost:  # by another thread, meanwhile
                return
            best = min(median(one.pace) for one in self.devices if one.pace and one.name not in self._lost)
            slow = len(device.pace) >= SEEN and seconds > FELT and median(device.pace) > SLOW * best
        if slow:
            self._drop(device, f"{median(device.pace) / best:.0f} times as slow as the fastest")
        self._back(device)

    def _back(self, device: Device) -> None:
        with self._change:
            if device.name not in self._lost:
                self._free.append(device)
                self._change.notify()

    def _drop(self, device: Device, why: str) -> None:
        with self._change:
            first = device.name not in self._lost
            self._lost[device.name] = why
            self._free = [one for one in self._free if one is not device]
            left = len(self.devices) - len(self._lost)
            self._change.notify_all()
        if first:
            warnings.warn(left_out(device.name, why, left), FleetWarning, stacklevel=2)


def open_fleet(address: Address) -> Subject:
    """The devices at these addresses, separated by commas; a comma within one is written ``%2C``.

    Devices that cannot be opened are left out with a warning, as long as one is there.

    Raises:
        AddressError: an address is wrong, none is given, or one twice.
        ContractError: the devices do not hold the same file, or do not answer alike.
        WireError: none can be opened.
    """
    names = names_of(address)
    devices = opened(names)
    probe = random_samples(devices[0].subject, PROBE)
    scores = devices[0].subject(probe)
    for one in devices[1:]:
        same_rung(devices[0], one)
        alike(devices[0], scores, one, probe)
    first = devices[0].subject
    fleet = Fleet(devices, first.spec.output is not None)
    fleet.begin()
    machines = sorted({one.subject.spec.rung.machine for one in devices})
    wire = f"fleet of {', '.join(one.subject.spec.wire or one.name for one in devices)}"
    spec = replace(first.spec, rung=replace(first.spec.rung, machine=" + ".join(machines)), wire=wire)
    coded = partial(fleet.ask, by_codes) if first.coded else None
    at_once = sum(one.subject.at_once for one in devices)
    return Subject(spec, partial(fleet.ask, by_samples), coded, at_once, fleet.answered)


def by_samples(subject: Subject) -> Callable[[NDArray[Any]], Scores]:
    """The door for samples."""
    return subject.ask


def by_codes(subject: Subject) -> Callable[[NDArray[Any]], Scores]:
    """The door for codes, which all devices have or none: they hold the same file."""
    return subject.coded or subject.ask


def names_of(address: Address) -> list[str]:
    """The addresses of the devices.

    Raises:
        AddressError: one is empty, or there twice.
    """
    names = [name.strip().replace("%2C", ",") for name in address.rest.split(",")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or "" in names:
        found = f"{twice} twice" if twice else "an empty address"
        raise AddressError(f"fleet:{address.rest}: found {found}; expected addresses of devices, separated by commas")
    return names


def opened(names: Sequence[str]) -> list[Device]:
    """The devices that can be reached, opened at the same time; a warning for each other.

    Raises:
        AddressError, ArtifactError, ExtraError: as `open_predictor`.
        WireError: none can be reached.
    """
    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(reached, names))
    devices = [one for one in found if isinstance(one, Device)]
    lost = {name: str(one) for name, one in zip(names, found, strict=True) if isinstance(one, WireError)}
    if not devices:
        raise WireError(f"no device of the fleet can be reached: {'; '.join(lost.values())}")
    for name, why in lost.items():
        warnings.warn(left_out(name, why, len(devices)), FleetWarning, stacklevel=3)
    return devices


def reached(name: str) -> Device | WireError:
    """The device at an address, or why it cannot be reached."""
    try:
        return Device(name, open_predictor(name))
    except WireError as error:
        return error


def left_out(name: str, why: str, left: int) -> str:
    """The sentence of a warning."""
    return f"{name} is left out ({why}); {left} of the fleet go on"


def same_rung(first: Device, other: Device) -> None:
    """Refuse devices that differ in more than the machine.

    Raises:
        ContractError: saying in what, and how.
    """
    above, below = first.subject.spec.rung, other.subject.spec.rung
    for part in changed(above, below):
        if part != "machine":
            found = f"{part} {getattr(below, part)}, {first.name} {getattr(above, part)}"
            raise ContractError(f"fleet: {other.name} has {found}; expected the same of all devices")


def alike(first: Device, scores: Scores, other: Device, probe: Samples) -> None:
    """Refuse a device that answers unlike the first.

    Raises:
        ContractError: saying by how much.
    """
    found = other.subject(probe)
    bound = EXACT if first.subject.spec.output else ROUNDING
    apart = float(np.abs(found - scores).max()) if found.shape == scores.shape else math.inf
    if not apart <= bound:
        raise ContractError(
            f"fleet: {other.name} answers {PROBE} samples of noise unlike {first.name}, up to {apart:.3g} away; "
            f"expected at most {bound:g}, see which of them runs other kernels or another file"
        )
