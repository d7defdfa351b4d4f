"""Experiment on coarse and fine images, and slow and fast signals: every pair of the two."""

from __future__ import annotations

from collections.abc import Sequence

from calibration.image2ecog.frequency import BANDS, cell
from calibration.image2ecog.plan import Plan
from calibration.image2ecog.regions import region_table
from calibration.image2ecog.scores import R
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.image2ecog.subjects import everybody, scores_of
from calibration.image2ecog.trained import Trained
from calibration.tables.items import Row
from calibration.tables.table import Table, not_run
from streamkit.errors import ConfigError


def frequencies(trained: Trained, settings: Image2EcogSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Low- or high-pass images to low- or high-frequency signals; a model is trained for each pair."""
    rows: list[Row] = []
    for of_images in BANDS:
        for of_signals in BANDS:
            label = f"{of_images}-pass image → {of_signals}-frequency signal"
            further = {"images": of_images, "signals": of_signals}
            try:
                changed = {s: cell(each, of_images, of_signals, plan.edge) for s, each in trained.subjects.items()}
            except ConfigError as error:
                rows.append(not_run(label, R, error) | further)
                continue
            found = scores_of(trained.with_material(changed), settings, seeds, plan)
            rows.append(everybody(label, R, found, plan.draws, **further))
            lines = region_table(R, [each.channels[R] for each in found.values()], plan.draws, plan.thin, **further)
            rows += [line | {"region": line["row"], "row": f"{label}, {line['row']}"} for line in lines]
    return Table(rows)
