"""FID-64: the Fréchet distance of 64 features of Inception v3, as the report computes it.

torchmetrics' `FrechetInceptionDistance(feature=64)` on pictures stretched to [0, 1], grey repeated to colours. It is
not the usual distance of 2,048 features, and with 40 or 100 pictures it is noisy: it picks nothing here without being
asked to. The weights are the user's own file (``pt_inception-2015-12-05-6726825d.pth`` of the package torch-fidelity);
nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.features.weights import digest
from calibration.mouse_v1.scores import stretched
from calibration.tables.items import Row
from calibration.tables.table import not_run
from streamkit.errors import BadInput, StreamkitError, require

Array = NDArray[np.floating]
FID = "FID-64"
FEATURES = 64
SOURCE = "https://github.com/toshas/torch-fidelity/releases, pt_inception-2015-12-05-6726825d.pth"
WHY_NOT = f"FID-64 needs the weights of Inception v3 ({SOURCE}), which streamkit neither has nor fetches"


@dataclass(frozen=True)
class Fid:
    """Computes the distance.

    Attributes
    ----------
    network
        ``(n, 3, H, W)`` uint8 to ``(n, 64)``, or torchmetrics' own number of features.
    weights
        File of torchmetrics' own network.
    """

    network: Any = FEATURES
    weights: str | None = None

    @property
    def known_by(self) -> dict[str, Any]:
        """What a checkpoint knows it by: a weight file by its contents, wherever it lies."""
        return {"network": self.network, "weights": self.weights and digest(Path(self.weights))}

    def __call__(self, made: Array, shown: Array) -> float:
        """Distance of pictures ``(n, 1, H, W)`` from those shown ``(m, 1, H, W)``, each in any unit."""
        torch = require("torch", "metrics", FID)
        image = require("torchmetrics.image.fid", "metrics", FID)
        own = {"feature_extractor_weights_path": self.weights} if self.weights else {}
        metric = image.FrechetInceptionDistance(feature=self.network, **own)
        for images, real in ((shown, True), (made, False)):
            pixels = np.repeat(np.round(255 * stretched(images)).astype(np.uint8), 3, axis=1)
            metric.update(torch.from_numpy(pixels), real=real)
        return float(metric.compute())


def open_fid(weights: Path | str | None) -> Fid | None:
    """The distance with the user's weights; None where none were given.

    Raises
    ------
    BadInput
        When the file is not there or is not that network's.
    """
    if weights is None or weights == "":
        return None
    if not Path(weights).is_file():
        raise BadInput(f"{WHY_NOT}; {weights} is no file")
    require("torch_fidelity", "metrics", FID)
    found = Fid(weights=str(weights))
    try:
        found(*np.random.default_rng(0).random((2, 2, 1, 8, 8)))
    except StreamkitError:
        raise
    except Exception as error:  # whatever torch says of a file that is something else
        why = str(error).splitlines()[0]
        raise BadInput(f"{weights} are not the weights of Inception v3 ({why}): {SOURCE}") from error
    return found


def fid_row(label: str, values: list[float] | None, n: int, **further: object) -> Row:
    """A line of a table: mean over seeds, and their spread as its interval; not run without weights."""
    if values is None:
        return {**not_run(label, FID, WHY_NOT), **further}
    low, high = (float(edge) for edge in np.percentile(values, (2.5, 97.5)))
    note = f"64 features, {n} pictures: noisy, and not comparable to distances of 2,048; interval: seeds alone"
    line: Row = {"row": label, "metric": FID, "value": float(np.mean(values)), "chance": None, "ci95": [low, high]}
    return {**line, "p": None, "n": n, "note": note, "seeds": len(values), **further}
