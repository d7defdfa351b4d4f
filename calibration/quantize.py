"""quantize: a bundle and recordings in; the same bundle with int8 graphs, what they cost and whether they pay, out."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from calibration.apart import Apart, set_apart
from calibration.calibrate import check_free
from calibration.effect import Run, check_not_destroyed, doubts, measure, timed, worst
from calibration.evaluate import recipe_of
from calibration.int8 import METHODS, Method, sums_bytes_exactly
from calibration.listen import Heard, listen
from calibration.progress import Progress
from calibration.small import Small, error_of, smallest_misfit, tolerance_for
from streamkit.bundle import Effect, GraphFiles, ModelBundle, ReducedFiles, write_bundle
from streamkit.bundle.manifest import REPORT, read_manifest
from streamkit.errors import BackendError, ConfigError, MissingPackage
from streamkit.inference import BACKENDS
from streamkit.inference.graph import Reduced
from streamkit.inference.settings import Precision
from streamkit.marks import MANIFEST
from streamkit.recording import Recording

WINDOWS = 256
PAYS = 0.9
"""int8 pays when the fastest int8 needs less than this part of the time of the fastest float32."""

CADENCE = 0.05
CALLS = 200
Ranges = Method | Literal["auto"]


@dataclass(frozen=True)
class Quantized:
    """What a quantisation made.

    Attributes
    ----------
    bundle
        As written.
    graphs
        By name.
    runs
        Each runtime in float32 and int8.
    stated
        The effect as the bundle has it: of the runtime on which the main score loses most.
    absent
        Runtime that could not be tried → why not.
    apart, heard
        The recordings, and what they gave.
    reduce_range
        Weights have 7 bits.
    cadence, threads
        Of the timing.
    warnings
        What weakens the result.
    """

    bundle: ModelBundle
    graphs: Mapping[str, Small]
    runs: tuple[Run, ...]
    stated: tuple[Effect, ...]
    absent: Mapping[str, str]
    apart: Apart
    heard: Heard
    reduce_range: bool
    cadence: float
    threads: int
    warnings: tuple[str, ...]
    seconds: float

    def fastest(self, precision: Precision) -> Run:
        """The fastest runtime at a precision."""
        return min((run for run in self.runs if run.precision == precision), key=lambda run: run.latency)

    @property
    def pays(self) -> bool:
        """Whether int8 is worth having on this machine."""
        return self.fastest("int8").latency < PAYS * self.fastest("float32").latency


def quantize(
    bundle: ModelBundle,
    recordings: Sequence[Recording],
    out: str | Path,
    measuring: Sequence[Recording] = (),
    *,
    method: Ranges = "auto",
    reduce_range: bool | None = None,
    windows: int = WINDOWS,
    threads: int = 1,
    cadence: float = CADENCE,
    calls: int = CALLS,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Quantized:
    """Quantise the graphs of a bundle to int8, prove them on every runtime here, and state what it does to the scores.

    Parameters
    ----------
    recordings
        Set the ranges; where `measuring` is empty, those of held-out groups measure instead.
    out
        The new bundle: the old one with int8 graphs. The old one stays as it is.
    measuring
        Recordings to score on.
    method
        See `calibration.int8.quantise`; ``"auto"`` for the one with the least error on the windows that set the ranges.
    reduce_range
        Weights in 7 bits; None for where this processor needs it.
    windows
        How many runs of each graph set its ranges, at most.
    threads, cadence, calls
        Of the timing: threads per inference, seconds between calls, calls of each.

    Raises
    ------
    ConfigError
        When the recordings cannot be used for this (`calibration.apart.set_apart`), or `out` is the bundle itself.
    BackendError
        When a graph cannot be quantised, or does not run in one of the runtimes.
    CheckFailed
        When int8 destroys the network: see `calibration.small.CEILING` and `calibration.effect.LOSS`.
    """
    begin, progress = time.monotonic(), progress or Progress()
    _check_out(bundle, Path(out), overwrite)
    runtimes, absent = runtimes_here()
    recipe = recipe_of(bundle)
    apart = set_apart(bundle, recordings, measuring)
    reduce_range = not sums_bytes_exactly() if reduce_range is None else reduce_range
    progress.begin("cutting windows", 1)
    heard = listen(bundle, apart.setting, recipe, windows, bundle.provenance.seed or 0)
    progress.advance(f"{heard.windows} windows")

    methods = tuple(METHODS) if method == "auto" else (method,)
    with tempfile.TemporaryDirectory() as folder:
        draft, graphs = bundle, dict[str, Small]()
        for name in bundle.contract.runner.needs:
            progress.begin(f"quantising {name}", len(methods))
            small = smallest_misfit(bundle.graphs[name], heard.inputs[name], methods, reduce_range, progress)
            draft = _with_int8(draft, name, small, Path(folder))
            errors = {each: _int8_error(each, draft, name, threads) for each in runtimes}
            graphs[name] = replace(small, errors=errors, tolerance=tolerance_for(name, errors))
            draft = _with_int8(draft, name, graphs[name], Path(folder))
        runs = measure(draft, apart.measuring, runtimes, threads, progress)
        stated = worst(runs)
        check_not_destroyed(stated)
        progress.begin("timing", 1)
        runs = timed(draft, runs, threads, cadence, calls)
        progress.advance()
    written = write(bundle, Path(out), graphs, stated, _note(graphs, heard, apart, reduce_range), overwrite)
    said = (*apart.warnings, *doubts(runs), *(f"not proven in {name}: {why}" for name, why in absent.items()))
    seconds = time.monotonic() - begin
    return Quantized(written, graphs, runs, stated, absent, apart, heard, reduce_range, cadence, threads, said, seconds)


def _int8_error(backend: str, draft: ModelBundle, name: str, threads: int) -> float:
    """Error on the reference pairs, of a graph that is to run on every runtime here."""
    try:
        return error_of(backend, draft, name, "int8", threads)
    except BackendError as error:
        raise BackendError(
            f"graph {name!r} was quantised, but does not run in {backend}, so no bundle was written: {error}. Try "
            "another --method, or stay with float32"
        ) from error


def _check_out(bundle: ModelBundle, out: Path, overwrite: bool) -> None:
    if out.resolve() == bundle.path.resolve():
        raise ConfigError(f"--out {out} is the bundle itself, which stays as it is: choose another folder")
    check_free(out / MANIFEST, "--out", overwrite)


def runtimes_here() -> tuple[tuple[str, ...], dict[str, str]]:
    """Backends that run int8 on this processor, and those that could, with why they cannot here.

    Raises
    ------
    MissingPackage
        When the one that quantises is not here.
    """
    rows = [row for row in BACKENDS.values() if "int8" in row.precisions.get("cpu", ())]
    absent = {row.name: why for row in rows if (why := row.available("cpu")[1])}
    if "onnxruntime" in absent:
        raise MissingPackage(absent["onnxruntime"])
    return tuple(row.name for row in rows if row.name not in absent), absent


def _with_int8(bundle: ModelBundle, name: str, small: Small, folder: Path) -> ModelBundle:
    """`bundle` with an int8 graph that lies in `folder`; nothing of it is written anew."""
    file = folder / f"{name}.int8.onnx"
    file.write_bytes(small.onnx)
    graph = bundle.graphs[name]
    reduced = {**graph.reduced, "int8": Reduced(file, small.tolerance)}
    digests = {key: digest for key, digest in graph.digests.items() if key != file.name}
    return replace(bundle, graphs={**bundle.graphs, name: replace(graph, reduced=reduced, digests=digests)})


def write(
    bundle: ModelBundle,
    out: Path,
    graphs: Mapping[str, Small],
    stated: tuple[Effect, ...],
    note: str,
    overwrite: bool,
) -> ModelBundle:
    """Write the bundle anew with int8 graphs, its report copied."""
    files = files_of(bundle)
    for name, small in graphs.items():
        reduced = {**files[name].reduced, "int8": ReducedFiles(small.onnx, small.tolerance, stated)}
        files[name] = replace(files[name], reduced=reduced)
    said = [bundle.provenance.note] if bundle.provenance.note else []
    written = write_bundle(
        out,
        contract=bundle.contract,
        graphs=files,
        references=bundle.references(),
        metrics=bundle.metrics,
        provenance=bundle.provenance.model_copy(update={"note": "; ".join([*said, note])}),
        tensors=bundle.tensors(),
        overwrite=overwrite,
        made_here=False,  # the float32 graph may be anybody's, and the int8 one has been through quarantine by now
    )
    if (bundle.path / REPORT).is_dir():
        shutil.copytree(bundle.path / REPORT, out / REPORT)
    return written


def files_of(bundle: ModelBundle) -> dict[str, GraphFiles]:
    """Read what the graphs of a bundle were written from."""
    from safetensors.numpy import load

    entries = read_manifest(bundle.path).graphs
    return {
        name: GraphFiles(
            graph.read(graph.onnx_file()),
            graph.builder,
            graph.builder_args,
            None if graph.weights is None else load(graph.read(graph.weights)),
            {
                precision: ReducedFiles(graph.read(each.onnx), each.tolerance, entries[name].reduced[precision].effect)
                for precision, each in graph.reduced.items()
            },
        )
        for name, graph in bundle.graphs.items()
    }


def _note(graphs: Mapping[str, Small], heard: Heard, apart: Apart, reduce_range: bool) -> str:
    methods = ", ".join(dict.fromkeys(small.method for small in graphs.values()))
    setting, measuring = (
        ", ".join(dict.fromkeys(recording.meta.group or recording.meta.name for recording in some))
        for some in (apart.setting, apart.measuring)
    )
    bits = 7 if reduce_range else 8
    return (
        f"int8: weights of {bits} bits, ranges ({methods}) from {heard.windows} windows of {setting}, effect measured "
        f"on {measuring}"
    )
