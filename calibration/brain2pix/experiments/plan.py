"""What every experiment is given beside the trained networks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from calibration.brain2pix.looks import Look, looks_of
from calibration.brain2pix.nishimoto import NishimotoSettings
from calibration.brain2pix.scores import N_WAY, Beside, Scores, score
from calibration.brain2pix.settings import FieldsSettings
from calibration.tables.experiment import Drawing


class Plan(Drawing):
    """Sizes of the experiments; the defaults are the paper's where it states them.

    Parameters
    ----------
    shares
        Parts of the training runs; the paper has 5, 10, 14 and 19 of 24 hours.
    nishimoto, fields
        Of the frames found again, and of the estimated receptive fields.
    alexnet
        Weight file of AlexNet; without one pictures are compared through oriented filters alone.
    n_way
        Candidates of the identification.
    """

    shares: tuple[float, ...] = Field((0.21, 0.42, 0.58, 0.79, 1.0), min_length=1)
    nishimoto: NishimotoSettings = NishimotoSettings()
    fields: FieldsSettings = FieldsSettings()
    alexnet: str = ""
    n_way: int = Field(N_WAY, ge=2)

    @property
    def looks(self) -> tuple[Look, ...]:
        """What pictures are compared through."""
        return looks_of({"alexnet": Path(self.alexnet)} if self.alexnet else {})

    def score(self, beside: Beside) -> Scores:
        """Every metric of pictures beside frames."""
        return score(beside, self.draws, self.looks, self.n_way)
