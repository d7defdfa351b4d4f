"""Losses of an epoch, kept where they were computed until its end, so that no step waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Tally:
    """Collects scalars of batches by name; `means` weighs them by the rows of each batch."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}
        self._rows: dict[str, list[int]] = {}

    def add(self, losses: dict[str, Tensor], n_rows: int, part: str = "") -> None:
        """Note the losses of one batch; `part` goes before their names."""
        for name, value in losses.items():
            key = f"{part} {name}" if part else name
            self._values.setdefault(key, []).append(value.detach())
            self._rows.setdefault(key, []).append(n_rows)

    def means(self, fabric: Fabric | None = None) -> dict[str, float]:
        """Mean of each over all rows, over those of all processes with `fabric`."""
        sums = {name: self._sum(name) for name in self._values}
        if fabric is not None and fabric.world_size > 1:
            whole = fabric.all_reduce(torch.tensor(list(sums.values()), device=fabric.device), reduce_op="sum")
            sums = dict(zip(sums, whole.tolist(), strict=True))
        return {name: total / rows for name, (total, rows) in sums.items()}

    def _sum(self, name: str) -> tuple[float, int]:
        values, rows = torch.stack(self._values[name]).tolist(), self._rows[name]
        return sum(value * n for value, n in zip(values, rows, strict=True)), sum(rows)
