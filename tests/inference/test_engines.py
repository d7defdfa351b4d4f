"""Built engines are kept for exactly what they were built for, and nothing else is ever opened."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

import pytest

from streamkit.errors import BackendError
from streamkit.inference import engines
from streamkit.inference.engines import EngineKey, default_folder, engine_for

KEY = EngineKey("ab" * 32, "NVIDIA H100 80GB HBM3, 9.0", "11.4.0.106", "580.65.06, CUDA 13.0", "fp16", 1)
OTHERS = {
    "onnx": "cd" * 32,
    "gpu": "NVIDIA H100 80GB HBM3, 9.1",
    "tensorrt": "11.4.1",
    "driver": "580.65.07, CUDA 13.0",
    "precision": "bf16",
    "batch": 2,
    "build": 2,
}


class Workshop:
    """Builds engines that differ each time, and opens them; notes both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.built: list[bytes] = []
        self.opened: list[bytes] = []
        self.refused: set[bytes] = set()

    def build(self) -> bytes:
        self.built.append(b"engine\n%d\n" % len(self.built) + bytes(range(256)))
        return self.built[-1]

    def load(self, engine: bytes) -> str | None:
        self.opened.append(engine)
        return None if engine in self.refused else f"engine {self.built.index(engine)}"

    def get(self, key: EngineKey = KEY) -> str:
        return engine_for(key, self.build, self.load, self.folder)

    def file(self, key: EngineKey = KEY) -> Path:
        return self.folder / key.file


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "engines")


def test_an_engine_is_built_once(shop: Workshop) -> None:
    assert shop.get() == shop.get() == "engine 0"
    assert shop.opened == [shop.built[0]] * 2
    assert len(shop.built) == 1


def test_every_ingredient_of_the_key_is_tried() -> None:
    assert set(OTHERS) == {field.name for field in dataclasses.fields(EngineKey)}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_ingredient_means_another_engine(name: str, shop: Workshop) -> None:
    other = dataclasses.replace(KEY, **{name: OTHERS[name]})
    assert (shop.get(), shop.get(other)) == ("engine 0", "engine 1")
    assert (shop.get(), shop.get(other)) == ("engine 0", "engine 1")


def test_an_engine_under_the_name_of_another_is_not_opened(shop: Workshop) -> None:
    other = dataclasses.replace(KEY, batch=2)
    shop.get(other)
    shop.file(other).rename(shop.file())
    assert shop.get() == "engine 1"


@pytest.mark.parametrize("at", [0, 20, -300, -150, -1])
def test_a_changed_byte_means_a_new_engine(at: int, shop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    shop.get()
    content = bytearray(shop.file().read_bytes())
    content[at] ^= 1
    shop.file().write_bytes(content)
    assert shop.get() == "engine 1"
    assert shop.opened == shop.built
    assert "is not what it says" in caplog.text
    assert shop.get() == "engine 1"


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_half_a_file_means_a_new_engine(keep: int, shop: Workshop) -> None:
    shop.get()
    shop.file().write_bytes(shop.file().read_bytes()[:keep])
    assert shop.get() == "engine 1"
    assert shop.opened == shop.built


def test_something_after_the_end_means_a_new_engine(shop: Workshop) -> None:
    shop.get()
    shop.file().write_bytes(shop.file().read_bytes() + b"x")
    assert shop.get() == "engine 1"


def test_an_engine_that_others_could_have_written_is_not_opened(shop: Workshop) -> None:
    shop.get()
    shop.file().chmod(0o666)
    assert shop.get() == "engine 1"
    assert shop.get() == "engine 1"
    shop.folder.chmod(0o777)
    assert shop.get() == "engine 2"


def test_an_engine_of_somebody_else_is_not_opened(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.get()
    me = os.getuid()
    monkeypatch.setattr(engines.os, "getuid", lambda: me + 1)
    assert shop.get() == "engine 1"


def test_it_is_kept_where_only_its_user_writes(shop: Workshop) -> None:
    shop.get()
    assert shop.folder.stat().st_mode & 0o777 == 0o700
    assert shop.file().stat().st_mode & 0o777 == 0o600


def test_the_file_appears_only_when_it_is_whole(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, int]] = []
    real = os.fsync

    def look(handle: int) -> None:
        real(handle)
        seen.append((shop.file().exists(), sum(part.stat().st_size for part in shop.folder.iterdir())))

    monkeypatch.setattr(engines.os, "fsync", look)
    shop.get()
    assert seen == [(False, shop.file().stat().st_size)]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_stops_half_way_leaves_nothing_behind(step: str, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engines.os, step, stop)
        with pytest.raises(KeyboardInterrupt):
            shop.get()
    assert list(shop.folder.iterdir()) == []
    assert shop.get() == "engine 1"


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    shop = Workshop(tmp_path / "file" / "engines")
    with caplog.at_level(logging.WARNING):
        assert (shop.get(), shop.get()) == ("engine 0", "engine 1")
    assert "could not be kept in" in caplog.text


def test_an_engine_that_the_runtime_refuses_is_replaced(shop: Workshop) -> None:
    shop.get()
    shop.refused.add(shop.built[0])
    assert (shop.get(), shop.get()) == ("engine 1", "engine 1")


def test_a_fresh_engine_that_the_runtime_refuses_is_an_error(shop: Workshop) -> None:
    shop.load = lambda engine: None  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="refuses the engine that its own builder made: reinstall tensorrt"):
        shop.get()


def test_a_failed_build_keeps_nothing(shop: Workshop) -> None:
    def fail() -> bytes:
        raise BackendError("TensorRT cannot express graph 'decoder'")

    with pytest.raises(BackendError, match="cannot express"):
        engine_for(KEY, fail, shop.load, shop.folder)
    assert not shop.folder.exists()


def test_engines_live_in_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own" / "engines"
