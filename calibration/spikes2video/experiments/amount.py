"""Experiments on how much there is to decode from: the number of sites, and the rate of the bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibration.spikes2video.analyses.subsets import coarser, thinned
from calibration.spikes2video.content import LEVELS
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.material import Material
from calibration.spikes2video.scores import of_models, of_seeds
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.items import Row, row
from calibration.tables.table import Table


def sites(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Networks trained on a share of the sites of every region; the same sites for every seed of a training."""
    rows: list[Row] = []
    for share in sorted(plan.shares):
        kept = thinned(trained.material.test.region, share, plan.seed)
        material = trained.material.only(kept) if share < 1 else trained.material
        rows += _scored(f"{len(kept)} sites", material, trained, settings, seeds, plan, {"sites": len(kept)})
    return Table(rows)


def rates(trained: Trained, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Networks trained on neighbouring bins counted together; the number of bins stays, for the network has one."""
    rows: list[Row] = []
    for factor in sorted(plan.together):
        material = _coarser(trained.material, factor) if factor > 1 else trained.material
        sfreq = trained.material.test.sfreq / factor
        rows += _scored(f"{sfreq:.3g} Hz", material, trained, settings, seeds, plan, {"sfreq": sfreq})
    return Table(rows)


def _scored(
    label: str,
    material: Material,
    trained: Trained,
    settings: Spikes2VideoSettings,
    seeds: Sequence[int],
    plan: Plan,
    further: dict[str, float],
) -> list[Row]:
    """Train as `trained` does, on another material, and score that."""
    same = material is trained.material
    models = (trained if same else replace(trained, material=material, kept={})).of(settings, seeds)
    scored = of_models(models, material.test, plan.draws)
    return [
        row(f"{label}, {level}", items, plan.draws, level=level, **further)
        for level in LEVELS
        for items in of_seeds(scored, level).values()
    ]


def _coarser(material: Material, factor: int) -> Material:
    """The same with bins counted together in every part."""
    parts = {name: getattr(material, name) for name in ("train", "validation", "test")}
    return replace(material, **{name: replace(part, X=coarser(part.X, factor)) for name, part in parts.items()})
