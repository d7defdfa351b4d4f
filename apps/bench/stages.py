"""Does the ledger add up? Every row that `streamkit live --ledger` wrote, beside what a client saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.consumers.table import CONSUMERS, Place, streamkit_live
from apps.bench.job import Job
from apps.bench.run import Run, run_once
from streamkit.errors import CheckFailed
from streamkit.ledger import STAGES

SECONDS = 15.0
ALLOWED_US = 50.0


def check_stages(job: Job, bundle: Path, onnx: Path, folder: Path, *, loaded: bool = False) -> dict[str, Any]:
    """Run the job once more, not longer than `SECONDS`, with the ledger written to disk, and add up each row.

    Returns
    -------
    dict
        ``n`` rows; ``largest_error_us``: of the sum of a row's stages against its total; ``stages_ms`` (p50, p99 of
        each); ``lsl_hop_ms`` (p50, p99): from handing a prediction to LSL until the client has it.

    Raises
    ------
    CheckFailed
        When a row does not add up within `ALLOWED_US` microseconds, or not every prediction has a row.
    """
    file = folder / "ledger.csv"

    def command(job: Job, place: Place) -> list[str]:
        return streamkit_live("--ledger", str(file))(job, place)

    job = job.model_copy(update={"seconds": min(job.seconds, SECONDS)})
    run = run_once(job, replace(CONSUMERS["streamkit"], command=command), bundle, onnx, folder, loaded=loaded)
    return report(np.genfromtxt(file, delimiter=",", names=True, dtype=np.float64), run)


def report(rows: NDArray[Any], run: Run) -> dict[str, Any]:
    """Add up the rows of a ledger; see `check_stages`."""
    stages = {name: rows[f"{name}_ms"] for name in STAGES}
    parts = np.sum([values for name, values in stages.items() if name != "total"], axis=0)
    errors = 1e3 * np.abs(parts - stages["total"])
    if len(rows) != len(run.stamps):
        raise CheckFailed(
            f"the ledger has {len(rows)} rows for {len(run.stamps)} predictions: do not trust its figures"
        )
    if not errors.max() <= ALLOWED_US:
        raise CheckFailed(
            f"the stages of a prediction add up to {errors.max():.0f} us more or less than its total, allowed is "
            f"{ALLOWED_US:g} us: the ledger lacks a stage"
        )
    hop = 1e3 * (run.stamps - rows["t_sample"]) + run.latency - 1e3 * (rows["t_publish"] - rows["t_sample"])
    return {
        "n": len(rows),
        "largest_error_us": float(errors.max()),
        "stages_ms": {name: _middle_and_tail(values) for name, values in stages.items()},
        "lsl_hop_ms": _middle_and_tail(hop),
    }


def _middle_and_tail(values: NDArray[np.float64]) -> dict[str, float]:
    return {"p50": float(np.median(values)), "p99": float(np.percentile(values, 99))}
