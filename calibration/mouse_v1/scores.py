"""How like what was shown is what was decoded: picture by picture, each score with its chance and permutations.

All scores are of pictures stretched from their darkest to their lightest pixel, as in the report: a decoder's
brightness and contrast count for nothing. The mean image has scores of its own everywhere, for much of any of them
comes from what all pictures have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws, correlations, squared_differences, win_chances
from calibration.tables.items import Items, Row, diagonal, difference, row
from streamkit.errors import BadInput, require

Array = NDArray[np.floating]
MSE, SSIML, PIXELS = "MSE", "SSIM loss", "pixel r"
METRICS = (SSIML, MSE, PIXELS)
OTHERS = 20
"""Permutations of the pictures that SSIM is computed for, at most."""
BATCH = 64


def identification(n_way: int) -> str:
    """Name of the score."""
    return f"{n_way}-way identification"


def stretched(images: Array) -> NDArray[np.float32]:
    """Pictures ``(n, C, H, W)`` each from 0 to 1."""
    torch = require("torch", "train", "scores of pictures")
    from models.v1_inversion import between_0_and_1

    return between_0_and_1(torch.from_numpy(np.ascontiguousarray(images, np.float32))).numpy()


def score(made: Array, shown: Array, draws: Draws, n_way: int = 20) -> dict[str, Items]:
    """All scores of pictures in pairs; the pictures shown must differ.

    Parameters
    ----------
    made
        ``(n, C, H, W)`` in any unit.
    shown
        The same shape.

    Raises
    ------
    BadInput
        When shapes differ, there are fewer than two pairs, or something is not finite.
    """
    if made.shape != shown.shape or made.ndim != 4 or len(made) < 2 or not np.isfinite(made).all():
        raise BadInput(
            f"pictures {made.shape} and those shown {shown.shape} were given, expected the same shape (n, C, H, W), "
            "two or more, and finite numbers"
        )
    a, b = stretched(made), stretched(shown)
    n_way = min(n_way, len(b))
    near = correlations(a, b)
    wins = win_chances(near, n_way)
    return {
        SSIML: _by_pairs(SSIML, a, b, draws),
        MSE: diagonal(MSE, squared_differences(a, b), draws, lower=True, note=NOTE),
        PIXELS: diagonal(PIXELS, near, draws, note=NOTE),
        identification(n_way): diagonal(identification(n_way), wins, draws, chance=1 / n_way, note=NOTE),
    }


def ssim_losses(made: Array, shown: Array) -> NDArray[np.float64]:
    """``(n,)`` of pictures in pairs, in any unit."""
    torch = require("torch", "train", "scores of pictures")
    from calibration.mouse_v1.objective import ssim_loss

    parts = []
    for at in range(0, len(made), BATCH):
        pair = (torch.from_numpy(np.ascontiguousarray(x[at : at + BATCH], np.float32)) for x in (made, shown))
        parts.append(ssim_loss(*pair).numpy())
    return np.concatenate(parts).astype(np.float64)


def _by_pairs(name: str, a: Array, b: Array, draws: Draws) -> Items:
    rng, n = np.random.default_rng(draws.seed), len(a)
    shifts = 1 + rng.permutation(n - 1)[: min(OTHERS, draws.permutations)]
    null = np.array([ssim_losses(a, np.roll(b, shift, axis=0)).mean() for shift in shifts])
    own = ssim_losses(a, b)
    return Items(name, own, float(null.mean()) if len(null) else float(own.mean()), null, True, NOTE)


NOTE = "of pictures stretched to [0, 1]; chance: pictures of other presentations"


def rows_of(label: str, scored: Sequence[Mapping[str, Items]], draws: Draws, **further: object) -> list[Row]:
    """Lines of a table, one per metric, from what each seed scored."""
    return [row(label, [each[name] for each in scored], draws, **further) for name in scored[0]]


def differences(
    label: str,
    first: Sequence[Mapping[str, Items]],
    second: Sequence[Mapping[str, Items]],
    draws: Draws,
    **further: object,
) -> list[Row]:
    """Lines of `second` less `first`, paired picture by picture and seed by seed; one seed stands for several."""
    n = max(len(first), len(second))
    sides = [list(side) * n if len(side) == 1 else list(side) for side in (first, second)]
    return [
        difference(label, [each[name] for each in sides[0]], [each[name] for each in sides[1]], draws, **further)
        for name in first[0]
    ]
