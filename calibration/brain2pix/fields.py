"""Where each voxel looks, asked of a film: frames to voxels by a network whose readout can be read.

The network is `models.receptive_fields`, after Seeliger et al. 2021. It sees the grey frames of the volumes before each
volume and is trained on the training runs; validation runs pick the epoch. A voxel's centre is the centre of mass of
its factor in space. A voxel that the network does not predict (correlation on validation runs at or below `least`) has
no centre: it is left out of what Brain2Pix reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import Material, Movie, Rows
from calibration.brain2pix.scaling import scale_of, scaled
from calibration.brain2pix.settings import FieldsSettings
from calibration.metrics import column_correlations
from calibration.network import Network
from calibration.progress import Progress
from calibration.training.batches import tensor_of
from calibration.training.history import History
from calibration.training.loop import fit as train_in_place
from calibration.training.settings import LoopSettings
from streamkit.errors import BadInput, require

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 32


@dataclass(frozen=True)
class Fields:
    """What was estimated.

    Attributes
    ----------
    centre
        ``(n_voxels, 2)`` x and y, parts of the picture's side from its middle; NaN for voxels that are not predicted.
    r
        ``(n_voxels,)`` correlation of prediction and recording over the validation runs.
    """

    centre: NDArray[np.float64]
    r: NDArray[np.float64]
    model: nn.Module
    history: History


def estimate(
    train: Movie,
    validation: Movie,
    settings: FieldsSettings,
    *,
    loop: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fields:
    """Fit the network, and read the centres.

    Raises
    ------
    BadInput
        When no volume has so many frames before it, or no voxel is predicted.
    """
    mean, std = scale_of(train)
    films = [scaled(movie, mean, std) for movie in (train, validation)]
    clip = [1, settings.frames, *train.out_shape[1:]]
    args = {"regions": train.counts, "clip": clip}
    args |= {"channels": list(settings.channels), "pools": list(settings.pools)}
    network = Network("receptive_fields", args)
    model = network.build(settings.seed)
    columns = [columns_of(movie, settings.frames) for movie in films]
    asked = Asked(films, settings.penalty)
    keys = {**settings.model_dump(include={"epochs", "batch_size", "lr", "seed"}), "optimiser": "adam"}
    keys |= {"weight_decay": 0.0, "schedule": "cosine", "warm_up": 0.0, "patience": settings.epochs}
    history = train_in_place(
        model,
        asked.loss,
        {**columns[0], "film": np.zeros(len(columns[0]["volume"]), np.int64)},
        LoopSettings(**{**keys, **(loop or {})}),
        validation={**columns[1], "film": np.ones(len(columns[1]["volume"]), np.int64)},
        about={"settings": settings.model_dump(exclude={"least"}), "train": train, "validation": validation},
        checkpoint=checkpoint,
        progress=progress,
    )
    r = asked.answered(model, columns[1]).r()
    parts = np.asarray(model.centres().numpy(), np.float64)  # type: ignore[operator]
    centre = np.where((r > settings.least)[:, None], parts[:, ::-1] - 0.5, np.nan)
    if not np.isfinite(centre).any():
        raise BadInput("no voxel is predicted above chance from the frames: receptive fields cannot be estimated")
    return Fields(centre, r, model, history)


@dataclass(frozen=True)
class Answered:
    """What a network of receptive fields says of a film, beside what was recorded.

    Attributes
    ----------
    predicted, recorded
        ``(n, n_voxels)`` volumes that have frames enough before them, in order of time.
    run
        ``(n,)`` number of the run of each.
    """

    predicted: NDArray[np.float32]
    recorded: NDArray[np.float32]
    run: Rows

    def r(self, rows: Rows | slice = slice(None)) -> NDArray[np.float64]:
        """``(n_voxels,)`` correlation over volumes, the predicted ones in another order; 0 where one is constant."""
        return np.nan_to_num(column_correlations(self.predicted[rows], self.recorded))


def answered(fields: Fields, train: Movie, movie: Movie, frames: int) -> Answered:
    """What estimated fields say of another film than that, `train`, which they were estimated from.

    Parameters
    ----------
    frames
        Volumes that each volume is predicted from, as in the settings of the estimate.
    """
    mean, std = scale_of(train)
    films = [scaled(each, mean, std) for each in (train, movie)]
    return Asked(films, 0.0).answered(fields.model, columns_of(films[1], frames))


def columns_of(movie: Movie, frames: int) -> dict[str, NDArray[np.int64]]:
    """Volumes that have so many frames up to their own, and the rows of these: ``(n,)`` and ``(n, frames)``."""
    row = np.full(len(movie.voxels), -1, np.int64)
    own = movie.first - movie.shift
    row[own[own >= 0]] = movie.frame[own >= 0]
    volume = np.arange(frames - 1, len(row))
    rows = row[volume[:, None] + np.arange(1 - frames, 1)]
    same = movie.of_volume[volume] == movie.of_volume[volume - frames + 1]
    kept = (rows >= 0).all(1) & same
    if not kept.any():
        raise BadInput(f"no run has {frames} frames in a row: ask for fewer (frames), or give longer runs")
    return {"volume": volume[kept], "rows": rows[kept]}


class Asked:
    """Grey frames and voxels of two films, and what the network gets wrong about them."""

    def __init__(self, films: list[Movie], penalty: float):
        grey = [movie.grey() for movie in films]
        self.mean = float(grey[0].mean())
        self.grey = [tensor_of(np.ascontiguousarray(each - self.mean, np.float32)) for each in grey]
        self.voxels = [tensor_of(movie.voxels) for movie in films]
        self.run = films[1].of_volume
        self.penalty = penalty

    def loss(self, module: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mean squared error, and the penalty while it is trained."""
        film, device = int(batch["film"][0]), batch["volume"].device
        clip = self.grey[film][batch["rows"].cpu()][:, None].to(device)
        wanted = self.voxels[film][batch["volume"].cpu()].to(device)
        mse = (module(clip).float() - wanted).square().mean()
        sparse = module.sparseness() if module.training else mse.new_zeros(())
        return {"loss": mse + self.penalty * sparse, "mse": mse}

    def answered(self, module: Any, columns: dict[str, NDArray[np.int64]]) -> Answered:
        """What the network says of the volumes of the second film."""
        torch = require("torch", "train", "receptive fields")
        rows, parts = columns["rows"], []
        with torch.inference_mode():
            for at in range(0, len(rows), BATCH):
                parts.append(module.eval()(self.grey[1][torch.from_numpy(rows[at : at + BATCH])][:, None]).numpy())
        volume = columns["volume"]
        return Answered(np.concatenate(parts), self.voxels[1].numpy()[volume], self.run[volume])


def with_fields(material: Material, fields: Fields) -> Material:
    """The material with the estimated centres in the place of those it came with."""
    parts = {name: replace(getattr(material, name), centre=fields.centre) for name in ("train", "validation", "test")}
    return replace(material, **parts)


def pixels_apart(found: NDArray[np.floating], planted: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """``(…, n_voxels)`` distance of two sets of centres, in pixels of a frame; NaN where one is unknown."""
    return np.asarray(np.hypot(*np.moveaxis((found - planted) * side, -1, 0)), np.float64)


def known(fields: Fields) -> Rows:
    """Voxels that have a centre."""
    return np.flatnonzero(np.isfinite(fields.centre).all(1))
