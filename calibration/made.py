"""What a calibration comes to, whatever it decodes: all that the report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibration.evaluate import Answers
from calibration.fit import Fitted
from calibration.metrics import Score
from calibration.windows import Examples
from streamkit.bundle import ModelBundle
from streamkit.encoding import Correlation


@dataclass(frozen=True)
class Made:
    """A bundle and how it came about.

    Attributes
    ----------
    bundle
        As written.
    scores
        On the held-out groups, the recipe's metric first; empty when nothing was held out.
    answers
        What the decoder says about each held-out trial; None when nothing was held out.
    fitted
        The decoder, or the brain encoder, and how its training went.
    examples
        What was trained on.
    parity
        Largest absolute difference between an exported graph and torch.
    sfreq
        Rate of the processed samples in Hz.
    cross_validation
        Scores over all groups; empty when the recipe asks for none.
    agreement
        Of predicted with recorded held-out epochs, trial by trial and channel by channel; None where none are
        predicted.
    """

    bundle: ModelBundle
    scores: Sequence[Score]
    answers: Answers | None
    fitted: Fitted
    examples: Examples
    parity: float
    sfreq: float
    cross_validation: Sequence[Score] = ()
    agreement: Correlation | None = None
