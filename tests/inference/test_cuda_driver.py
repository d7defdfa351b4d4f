"""The NVIDIA driver is asked before anything that would crash without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streamkit.inference import cuda_driver
from streamkit.inference.cuda_driver import LIBRARY, MANAGEMENT, probe

H100 = ("NVIDIA H100 80GB HBM3", (9, 0))
ORIN = ("Orin", (8, 7))


class FakeDriver:
    """Answers the driver's calls the way it does: through the pointers it is given, and with a status."""

    def __init__(self, *gpus: tuple[str, tuple[int, int]], status: int = 0, version: int = 13000) -> None:
        self.gpus, self.status, self.version = gpus, status, version
        self.asked = 0

    def cuInit(self, flags: int) -> int:
        self.asked += 1
        return self.status

    def cuDriverGetVersion(self, number: Any) -> int:
        number._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = self.gpus[device.value][0].encode()[: size - 1]
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        value._obj.value = self.gpus[device.value][1][{75: 0, 76: 1}[attribute]]
        return 0


class FakeManagement:
    def __init__(self, release: str, status: int = 0) -> None:
        self.release, self.status = release, status
        self.open = 0

    def nvmlInit_v2(self) -> int:
        self.open += 1
        return 0

    def nvmlSystemGetDriverVersion(self, number: Any, size: int) -> int:
        number.value = self.release.encode()
        return self.status

    def nvmlShutdown(self) -> int:
        self.open -= 1
        return 0


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The libraries that can be loaded, by name; there are none to begin with."""
    present: dict[str, Any] = {}

    def load(name: str) -> Any:
        if name not in present:
            raise OSError(f"{name}: cannot open shared object file")
        return present[name]

    monkeypatch.setattr(cuda_driver.ctypes, "CDLL", load)
    probe.cache_clear()
    yield present
    probe.cache_clear()


def test_without_the_library_there_is_no_driver(libraries: dict[str, Any]) -> None:
    driver = probe()
    assert driver.why_not == f"there is no NVIDIA driver ({LIBRARY} not found): install it, or use a processor backend"
    assert (driver.version, driver.gpus, driver.capabilities, driver.release) == ("", (), (), "")


def test_what_the_driver_refuses_is_shown_with_its_number(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY] = FakeDriver(H100, status=803)
    assert "cuInit says 803" in probe().why_not
    assert probe().gpus == ()


def test_a_driver_without_gpus_keeps_its_version(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY] = FakeDriver()
    assert probe().version == "13.0"
    assert "lists no GPU" in probe().why_not


def test_gpus_are_listed_with_name_and_capability(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY] = FakeDriver(H100, ORIN, version=12090)
    libraries[MANAGEMENT] = FakeManagement("575.57.08")
    driver = probe()
    assert not driver.why_not
    assert driver.version == "12.9"
    assert driver.gpus == ("NVIDIA H100 80GB HBM3", "Orin")
    assert driver.capabilities == ("9.0", "8.7")
    assert driver.release == "575.57.08"
    assert libraries[MANAGEMENT].open == 0


def test_without_the_management_library_only_the_release_is_missing(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY] = FakeDriver(H100)
    assert (probe().why_not, probe().release, probe().gpus) == ("", "", ("NVIDIA H100 80GB HBM3",))


def test_a_release_that_cannot_be_read_is_left_empty(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY], libraries[MANAGEMENT] = FakeDriver(H100), FakeManagement("half", status=3)
    assert probe().release == ""


def test_it_is_asked_once(libraries: dict[str, Any]) -> None:
    libraries[LIBRARY] = FakeDriver(H100)
    assert probe() is probe()
    assert libraries[LIBRARY].asked == 1


def test_the_real_driver_answers_or_says_why_not() -> None:
    probe.cache_clear()
    driver = probe()
    assert bool(driver.gpus) == (not driver.why_not)
    assert len(driver.gpus) == len(driver.capabilities)
