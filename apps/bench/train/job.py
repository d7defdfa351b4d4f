"""What is trained in the benchmark: network, rows, steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from calibration.network import Network
from calibration.sections import TrainSection

if TYPE_CHECKING:
    from torch import nn


class TrainJob(BaseModel):
    """One network on one set of rows.

    Parameters
    ----------
    model
        Name of a network that takes ``(B, n_chans, n_times)``, with the sizes below.
    n_rows, batch_size
        White noise and random classes; the batches come out even.
    epochs
        In one block.
    threads
        Of torch.
    accelerator
        Where: ``"cpu"`` or ``"gpu"``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    n_chans: int = 63
    n_times: int = 250
    n_classes: int = 2
    n_rows: int = Field(512, ge=2)
    batch_size: int = Field(64, ge=2)
    epochs: int = Field(1, ge=1)
    threads: int = Field(1, ge=1)
    accelerator: str = "cpu"
    seed: int = 0

    @property
    def settings(self) -> TrainSection:
        """What the loop is told: a recipe's defaults."""
        return TrainSection(
            method="gradient",
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=self.seed,
            accelerator=self.accelerator,  # type: ignore[arg-type]
        )

    def build(self) -> nn.Module:
        """A fresh network, the same every time."""
        sizes = {"n_chans": self.n_chans, "n_times": self.n_times, "out_shape": [self.n_classes], "sfreq": 250.0}
        return Network(self.model, sizes).build(self.seed)

    def rows(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Windows ``(n_rows, n_chans, n_times)`` and classes ``(n_rows,)``."""
        rng = np.random.default_rng(self.seed)
        X = rng.standard_normal((self.n_rows, self.n_chans, self.n_times), dtype=np.float32)
        return X, rng.integers(0, self.n_classes, self.n_rows)

    def described(self) -> dict[str, Any]:
        """Ready for JSON."""
        return self.model_dump() | {"steps_per_epoch": self.n_rows // self.batch_size}
