"""Who may import whom: the layers of the house, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import streamkit

ROOT = Path(__file__).parents[1]
LAYERS = (
    {"types", "errors", "marks"},
    {"clock", "units"},
    {"timeline"},
    {"ring", "ledger", "recording", "priority", "patience"},
    {"lsl", "preprocess", "inference"},
    {"encoding"},
    {"bundle", "pipeline"},
    {"session", "replay", "record", "verify"},
)
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}
CALIBRATION_MAY = {room for layer in LAYERS[:-1] for room in layer}


def imports(path: Path) -> Iterator[str]:
    """Dotted names of ours that a file imports, at the top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(dotted: str) -> str:
    """The room of a dotted name: ``streamkit.lsl.inlet`` is in ``lsl``."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "streamkit" and len(parts) > 1 else ""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", sources("streamkit"), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_lower_rooms(path: Path) -> None:
    here = path.relative_to(ROOT / "streamkit").parts[0].removesuffix(".py")
    for name in imports(path):
        top, there = name.split(".")[0], room(name)
        assert top not in {"models", "calibration", "apps"}, f"{path}: the runtime imports {name}"
        if there in LEVEL and here in LEVEL and there != here:
            assert LEVEL[there] < LEVEL[here], f"{path}: {here} may not import {there}"


@pytest.mark.parametrize("path", sources("streamkit", "models", "calibration"), ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_imports_apps(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "apps"]


@pytest.mark.parametrize("path", sources("models"), ids=lambda p: str(p.relative_to(ROOT)))
def test_models_import_none_of_ours(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] in {"streamkit", "calibration", "apps"}]


@pytest.mark.parametrize("path", sources("calibration"), ids=lambda p: str(p.relative_to(ROOT)))
def test_calibration_stays_below_the_sessions(path: Path) -> None:
    rooms = {room(name) for name in imports(path)} & set(LEVEL)
    assert rooms <= CALIBRATION_MAY, f"{path} imports {rooms - CALIBRATION_MAY}"


def test_every_module_of_the_runtime_has_a_layer() -> None:
    found = {p.name.removesuffix(".py") for p in (ROOT / "streamkit").iterdir() if not p.name.startswith(("_", "."))}
    assert found - {"py.typed"} == set(LEVEL)


def test_the_rule_catches_an_import_that_goes_up(tmp_path: Path) -> None:
    offender = tmp_path / "ring.py"
    offender.write_text("def late():\n    from streamkit.session import Session\n")
    assert [room(name) for name in imports(offender)] == ["session"]
    assert LEVEL["session"] > LEVEL["ring"]


def test_the_public_names_are_sorted_and_exist() -> None:
    assert streamkit.__all__ == sorted(streamkit.__all__)
    assert all(getattr(streamkit, name) is not None for name in streamkit.__all__)


def test_importing_streamkit_is_quick_and_light() -> None:
    code = (
        "import time; t = time.perf_counter(); import streamkit, sys;"
        "from streamkit import Session, Pipeline, ModelBundle, Preprocessor, Recording, RingBuffer;"
        "heavy = {'torch', 'mne', 'openvino', "
        "'onnxruntime', 'sklearn', 'PyQt6', 'matplotlib', 'numba'} & set(sys.modules);"
        "print(time.perf_counter() - t, sorted(heavy))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(" ", 1)
        for _ in range(3)
    ]
    assert {heavy.strip() for _, heavy in runs} == {"[]"}
    bare = "import time; t = time.perf_counter(); import streamkit; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.4
