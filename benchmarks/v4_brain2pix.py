"""Brain2Pix on macaque V4: every unit where the V1 encoder says that it looks, one U-Net for all sessions.

Each session has a receptive-field image of its own; those of the others are 0 while a picture of it is painted. Sides
that cannot be halved often enough are made longer by repeating the edges, and what is painted is cut out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.v4_data import Array
from calibration.brain2pix.fit import Fitted
from calibration.brain2pix.material import Movie, of_pairs
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.mouse_v1.fit_encoder import FittedEncoder
from calibration.mouse_v1.material import Animal
from calibration.mouse_v1.scaling import response_scale


@dataclass(frozen=True)
class Sessions:
    """How presentations of several sessions are one film.

    Attributes
    ----------
    animals
        One per session.
    centre
        By animal, ``(n_units, 2)`` where its units look, as `calibration.brain2pix.material.Movie` counts.
    halvings
        How often the network halves a picture.
    """

    animals: Sequence[Animal]
    centre: dict[str, Array]
    halvings: int

    def film(self, part: str, names: Sequence[str] = ()) -> Movie:
        """Presentations of one part, of all sessions or of those named; units of the others are at their mean, 0."""
        known = [each for each in self.animals if not names or each.name in names]
        count = {each.name: each.train.n_neurons for each in self.animals}
        region = np.repeat(list(count), list(count.values()))
        lengths = [len(getattr(each, part)) for each in known]
        owner = np.repeat([each.name for each in known], lengths)
        X = np.zeros((sum(lengths), len(region)), np.float32)
        for each in known:
            own = np.ix_(owner == each.name, region == each.name)
            X[own] = response_scale(each.train, "standard")(getattr(each, part).X)
        shown = np.concatenate([self.padded(getattr(each, part).y) for each in known])
        side, longer = self.sides
        centre = np.concatenate([self.centre[name] for name in count]) * side / longer
        return of_pairs(X, np.round(255 * shown).astype(np.uint8), centre, region, np.arange(len(shown)))

    @property
    def sides(self) -> tuple[int, int]:
        """Pixels of a side as decoded and as painted."""
        side, by = self.animals[0].train.out_shape[-1], 2**self.halvings
        return side, -(-side // by) * by

    @property
    def margin(self) -> int:
        """Pixels before the first one."""
        side, longer = self.sides
        return (longer - side) // 2

    def padded(self, images: Array) -> Array:
        """Pictures with longer sides, in [0, 1]."""
        side, longer = self.sides
        beyond = (self.margin, longer - side - self.margin)
        return np.pad(np.clip(images, 0, 1), ((0, 0), (0, 0), beyond, beyond), mode="edge")

    def cut(self, pictures: Array) -> Array:
        """The middle of what was painted."""
        side = self.sides[0]
        return pictures[:, :, self.margin :, self.margin :][:, :, :side, :side]


def centres(encoder: FittedEncoder, animal: Animal) -> NDArray[np.float64]:
    """``(n_units, 2)`` where units look: parts of the picture's side from its middle.

    Places of the readout go from the first to the last position of the first kernel, which has no padding.
    """
    side = animal.train.out_shape[-1]
    return encoder.places(animal.name).astype(np.float64) / 2 * (side - encoder.settings.kernel) / side


def sessions_of(animals: Sequence[Animal], encoder: FittedEncoder, settings: Brain2PixSettings) -> Sessions:
    """Sessions whose units lie where the encoder has them."""
    return Sessions(animals, {each.name: centres(encoder, each) for each in animals}, len(settings.widths))


def paint(models: Sequence[Fitted], sessions: Sessions, part: str, animal: str) -> Array:
    """Pictures of one part of one session, mean over seeds."""
    film = sessions.film(part, (animal,))
    return sessions.cut(np.mean([fitted.predict(film) for fitted in models], axis=0))
