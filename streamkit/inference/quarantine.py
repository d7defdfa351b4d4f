"""Quarantine: an ONNX file that is new to this machine is first opened and run in a process of its own.

The runtimes are fast, not hardened: a damaged or hostile file can end their process, take all memory or never return.
Such a file must not reach the process that decodes, so one that came with a bundle and was not made here passes a
quarantine once; that nothing happened is remembered, per file and version of the runtime. So does every file that is to
be computed in fewer bits: OpenVINO 2026.4 never ends compiling some honest networks in bfloat16.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.errors import BackendError
from streamkit.inference.backend import Backend
from streamkit.inference.cache import cache_dir, read_json, write_json
from streamkit.inference.graph import Graph, Reduced, TensorSpec
from streamkit.inference.settings import Precision, Settings
from streamkit.inference.table import BACKENDS

SECONDS, SECONDS_PER_MEGABYTE = 60.0, 0.2
MEMORY, MEMORY_PER_BYTE = 4 << 30, 12
HARMLESS = (0, 3)
"""Exit status of a quarantine that went through, or in which the runtime refused the file as it should."""

OUT_OF_MEMORY = 4
READY = b"ready"
"""Said before the file is touched: a process that ends without it never began."""

logger = logging.getLogger(__name__)


def made_here(content: bytes) -> None:
    """Note that an ONNX file was made on this machine, by ourselves: in float32 it needs no quarantine."""
    _note(content, "made here")


def pass_quarantine(backend: str, version: str, graph: Graph, settings: Settings, content: bytes) -> None:
    """Let a process of its own open and run `content` first, unless it is known.

    Parameters
    ----------
    version
        Of the runtime.
    content
        The ONNX file of `graph` that is about to be opened.

    Raises
    ------
    BackendError
        When that process died, took too much memory or did not end.
    """
    full = settings.precision == "float32"
    runtime = f"{backend} {version}" if full else f"{backend} {version} {settings.precision}"
    known = _known(content)
    ours = known.get("made here")
    if (ours and full) or known.get(runtime):
        return
    harm = _harm(backend, graph, settings, content)
    if not harm:
        _note(content, runtime)
        return
    file, tried = graph.onnx_file(settings.precision), f"tried in a process of its own, {backend} {harm}"
    if ours or not full:
        raise BackendError(
            f"{backend} cannot run {file} in {settings.precision} here: {tried}. Use --precision float32"
        )
    raise BackendError(f"{file} is damaged or hostile: {tried}. Do not use this bundle")


def _harm(backend: str, graph: Graph, settings: Settings, content: bytes) -> str:
    """What the process that tried it came to; empty when nothing happened."""
    request = {
        "backend": backend,
        "precision": settings.precision,
        "batch": settings.batch,
        "inputs": [spec.model_dump() for spec in graph.inputs],
        "outputs": [spec.model_dump() for spec in graph.outputs],
    }
    if not sys.executable or getattr(sys, "frozen", False):
        logger.warning("there is no Python to try graph %s in a process of its own: opening it untried", graph.name)
        return ""
    seconds = SECONDS + SECONDS_PER_MEGABYTE * len(content) / 1e6
    logger.info("graph %s is new here: %s tries it in a process of its own", graph.name, backend)
    try:
        run = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(request).encode() + b"\n" + content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {seconds:.0f} s"
    except OSError as error:
        logger.warning("no process could be started to try graph %s: %s", graph.name, error)
        return ""
    if run.returncode in HARMLESS or READY not in run.stdout:
        return ""
    if run.returncode == OUT_OF_MEMORY:
        return "took more memory than such a file can need"
    return f"died ({_cause(run.returncode)})"


def _cause(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"exit status {status}"


def _file(content: bytes) -> Path:
    return cache_dir() / "quarantines" / f"{hashlib.sha256(content).hexdigest()}.json"


def _note(content: bytes, what: str) -> None:
    write_json(_file(content), _known(content) | {what: True})


def _known(content: bytes) -> dict[str, Any]:
    known = read_json(_file(content))
    return known if isinstance(known, dict) else {}


def main() -> int:
    """The other process: reads a request and the file, opens it, runs it on several inputs."""
    request = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    backend = BACKENDS[request["backend"]].create()
    _limit(len(content))
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "quarantined.onnx"
        file.write_bytes(content)
        try:
            _play(backend, request, file)
        except MemoryError:
            return OUT_OF_MEMORY
        except Exception as error:
            return OUT_OF_MEMORY if "alloc" in str(error) else HARMLESS[1]
    return HARMLESS[0]


def _play(backend: Backend, request: dict[str, Any], file: Path) -> None:
    inputs, outputs = (tuple(TensorSpec(**spec) for spec in request[side]) for side in ("inputs", "outputs"))
    settings = Settings(precision=request["precision"], batch=request["batch"])
    reduced: dict[Precision, Reduced] = {"int8": Reduced(file, 1.0)} if settings.precision == "int8" else {}
    graph = Graph("quarantined", inputs, outputs, file, reduced=reduced)
    with backend.open(graph, settings):
        for fill in (0.0, 1.0, -1e30, np.nan):
            for buffer in backend.buffers:
                buffer[...] = np.nan_to_num(fill) if buffer.dtype.kind in "iub" else fill
            backend.run(*backend.buffers)


def _limit(size: int) -> None:
    """Bound this process's memory, where the system can."""
    if os.name != "nt":
        import resource

        allowed, (_, most) = MEMORY + MEMORY_PER_BYTE * size, resource.getrlimit(resource.RLIMIT_DATA)
        allowed = allowed if most == resource.RLIM_INFINITY else min(allowed, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


if __name__ == "__main__":
    sys.exit(main())
