"""quantize: int8 versions of a bundle's graphs, offered with what they cost and whether they pay."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from apps.out import check_out

if TYPE_CHECKING:
    from calibration.effect import Run
    from calibration.quantize import Quantized
    from streamkit.bundle import Effect, ModelBundle

EPILOG = """Example: streamkit quantize v4.bundle recordings/block-* --out v4-int8.bundle

Without --evaluate, recordings of groups that the bundle holds out measure the effect, and the others set the ranges.
`streamkit convert` writes the recordings of a data set."""
METHODS = ("auto", "minmax", "percentile", "entropy")
Path_ = click.Path(path_type=Path)


@click.command("quantize", epilog=EPILOG)
@click.argument("bundle", type=Path_)
@click.argument("recordings", nargs=-1, required=True, type=Path_, metavar="RECORDING...")
@click.option("--out", required=True, type=Path_, help="Folder of the new bundle; the old one stays as it is.")
@click.option("--evaluate", "measuring", multiple=True, type=Path_, help="Measure the effect on this recording.")
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True, help="How ranges of activations are set."
)
@click.option(
    "--reduce-range/--full-range", default=None, help="Weights of 7 or 8 bits; by default what this processor needs."
)
@click.option(
    "--windows", type=click.IntRange(1), default=256, show_default=True, help="Windows that set ranges, at most."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per inference.")
@click.option(
    "--cadence", type=click.FloatRange(0), default=0.05, show_default=True, help="Seconds between timed calls."
)
@click.option("--calls", type=click.IntRange(1), default=200, show_default=True, help="Timed calls of each.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is at OUT already.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    bundle: Path, recordings: tuple[Path, ...], out: Path, measuring: tuple[Path, ...], as_json: bool, **options: Any
) -> None:
    """Quantise the graphs of BUNDLE to int8, with ranges from RECORDINGs.

    The recordings run through the bundle's own preprocessing and windows. The int8 graphs prove themselves on OpenVINO
    and ONNX Runtime; their effect on every score is measured on recordings that neither trained the network nor set a
    range, and their speed at live cadence. Exit status 1, and no bundle, when int8 destroys the network.
    """
    from calibration.progress import Bar, Progress
    from calibration.quantize import quantize
    from streamkit.bundle import load_bundle
    from streamkit.recording import read_recording

    check_out(out, "--out")
    loaded = load_bundle(bundle)
    given, unseen = ([read_recording(path) for path in paths] for paths in (recordings, measuring))
    bar = Bar() if sys.stderr.isatty() else Progress()
    with contextlib.redirect_stdout(sys.stderr), bar:
        result = quantize(loaded, given, out, unseen, progress=bar, **options)
    click.echo(json.dumps(summary(loaded, result)) if as_json else text(loaded, result))


def summary(source: ModelBundle, result: Quantized) -> dict[str, Any]:
    """Return the result as JSON values."""
    groups = {
        key: [{"name": recording.meta.name, "group": recording.meta.group} for recording in recordings]
        for key, recordings in (("ranges_from", result.apart.setting), ("measured_on", result.apart.measuring))
    }
    return {
        "status": "ok",
        "bundle": str(result.bundle.path),
        "hash": result.bundle.hash,
        "from": {"bundle": str(source.path), "hash": source.hash},
        "weight_bits": 7 if result.reduce_range else 8,
        "graphs": {
            name: {
                "method": small.method,
                "misfit": dict(small.misfits),
                "reference_error": dict(small.errors),
                "tolerance": small.tolerance,
                "bytes": {"float32": small.full_size, "int8": small.size},
            }
            for name, small in result.graphs.items()
        },
        **groups,
        "windows": result.heard.windows,
        "left_out": result.heard.left_out,
        "effect": [effect_json(effect) for effect in result.stated],
        "runs": [run_json(run) for run in result.runs],
        "threads": result.threads,
        "cadence_s": result.cadence,
        "not_proven": dict(result.absent),
        "pays": result.pays,
        "verdict": verdict(result),
        "warnings": list(result.warnings),
        "simulated": any(r.meta.simulated for r in (*result.apart.setting, *result.apart.measuring)),
        "seconds": round(result.seconds, 2),
    }


def effect_json(effect: Effect) -> dict[str, Any]:
    """Return one effect as JSON values."""
    return effect.model_dump(mode="json") | {"difference": effect.reduced - effect.full}


def run_json(run: Run) -> dict[str, Any]:
    """Return one backend at one precision as JSON values."""
    p50, p99 = quantiles(run)
    return {
        "backend": run.backend,
        "precision": run.precision,
        "reference_error": run.error,
        "effect": [effect_json(effect) for effect in run.effects],
        "latency_ms": {"p50": p50, "p99": p99},
        "calls": len(run.latencies),
    }


def quantiles(run: Run) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    p50, p99 = np.percentile(np.array(run.latencies) * 1e3, [50, 99])
    return float(p50), float(p99)


def verdict(result: Quantized) -> str:
    """Say in one sentence whether int8 is worth having here."""
    full, reduced = result.fastest("float32"), result.fastest("int8")
    times = (
        f"the fastest int8 ({reduced.backend}) takes {reduced.latency * 1e3:.3f} ms, the fastest float32 "
        f"({full.backend}) {full.latency * 1e3:.3f} ms"
    )
    if result.pays:
        return f"int8 pays on this machine: {times}"
    return f"int8 does not pay on this machine, stay with float32: {times}"


def text(source: ModelBundle, result: Quantized) -> str:
    """Return the result for people."""
    simulated = any(recording.meta.simulated for recording in result.apart.measuring)
    lines = [f"bundle {result.bundle.path}{' (simulated)' if simulated else ''}, {result.seconds:.0f} s"]
    lines += [f"ranges from {result.heard.windows} windows of {names(result.apart.setting)}"]
    for name, small in result.graphs.items():
        lines.append(
            f"graph {name}: {small.full_size / 1e6:.3g} → {small.size / 1e6:.3g} MB, ranges by {small.method}, "
            f"off by {max(small.errors.values()):.2%} at most on the reference pairs, tolerance {small.tolerance:.2%}"
        )
    lines += [f"effect on {names(result.apart.measuring)}, the worse of int8 is stated in the bundle:"]
    lines += effect_lines(result.runs)
    lines += [f"speed, a call every {result.cadence * 1e3:g} ms, threads {result.threads}:", *speed_lines(result.runs)]
    return "\n".join([*lines, verdict(result), *(f"warning: {said}" for said in result.warnings)])


def names(recordings: tuple[Any, ...]) -> str:
    """Names of recordings with their groups."""
    return ", ".join(f"{r.meta.name} ({r.meta.group})" if r.meta.group else r.meta.name for r in recordings)


def effect_lines(runs: tuple[Run, ...]) -> list[str]:
    """Effects as aligned lines."""
    rows = [(run, effect) for run in runs for effect in run.effects]
    width = max(len(effect.name) for _, effect in rows)
    return [
        f"  {effect.name:<{width}}  {run.backend:<11} float32 {effect.full:6.3f}  {run.precision} {effect.reduced:6.3f}"
        f"  difference {effect.reduced - effect.full:+.4f} [{effect.ci95[0]:+.4f}, {effect.ci95[1]:+.4f}]  "
        f"chance {effect.chance or 0:.3f}  n {effect.n}"
        for run, effect in rows
    ]


def speed_lines(runs: tuple[Run, ...]) -> list[str]:
    """Latencies as aligned lines."""
    return [
        f"  {run.backend:<11} {run.precision:<7}  p50 {p50:.3f} ms, p99 {p99:.3f} ms"
        for run in runs
        for p50, p99 in [quantiles(run)]
    ]
