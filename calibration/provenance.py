"""Where a decoder came from: what a bundle says about its making."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any

from calibration.fit import Fitted
from calibration.recipe import Recipe
from streamkit.bundle import Provenance
from streamkit.recording import Recording

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "onnx", "braindecode")


def provenance(
    recipe: Recipe, recordings: Sequence[Recording], kept: Sequence[str], held: Sequence[str], fitted: Fitted
) -> Provenance:
    """Where this decoder came from."""
    parts = [f"{fitted.n_train} training windows", f"{fitted.n_validation} for early stopping"]
    parts += [f"{fitted.n_rejected} left out as larger than train.reject"] if fitted.n_rejected else []
    return Provenance(
        recipe=recipe.model_dump(mode="json"),
        dataset=recipe.data.dataset,
        simulated=any(recording.meta.simulated for recording in recordings),
        trained_on=tuple(kept),
        held_out=tuple(held),
        seed=recipe.train.seed,
        versions=versions(),
        note="; ".join(parts),
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape the result."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
