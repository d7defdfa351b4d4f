"""What a diffusion prior is told: how it is trained, and how it is sampled."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from calibration.training.settings import LoopSettings
from streamkit.inference.runners import DiffusionConfig

ATM_LOOP = LoopSettings(
    epochs=150,
    batch_size=1024,
    lr=1e-3,
    optimiser="adam",
    weight_decay=0.0,
    schedule="cosine",
    warm_up=500,
    clip=1.0,
    keep="last",
)
"""Of ATM (Li et al. 2024, arXiv 2403.07721), whose recipe BrainAE follows."""


class PriorSettings(BaseModel):
    """One diffusion prior, key by key; the defaults are the published ones.

    Parameters
    ----------
    loop
        Of the training.
    drop
        How often the condition is left out in training, so that guidance has something to compare with.
    train_steps
        Times of the diffusion; its noise follows DDPM's linear schedule.
    sampler, steps, guidance, clip
        How features are drawn; see `streamkit.inference.runners.DiffusionConfig`.
    scale
        Image features are multiplied by it before noise is added, and divided by it at the end. None takes what brings
        those of the training to a root mean square of one, which the schedule is made for; 1 leaves them as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    loop: LoopSettings = ATM_LOOP
    drop: float = Field(0.1, ge=0, lt=1)
    train_steps: PositiveInt = 1000
    sampler: Literal["ddim", "ddpm"] = "ddpm"
    steps: PositiveInt = 50
    guidance: float | None = 5.0
    clip: PositiveFloat | None = None
    scale: PositiveFloat | None = None

    def runner(self, **more: object) -> DiffusionConfig:
        """The runner of a bundle that samples in this way; `more` names its other graphs."""
        own = {"train_steps": self.train_steps, "sampler": self.sampler, "steps": self.steps}
        own |= {"guidance": self.guidance, "clip": self.clip}
        return DiffusionConfig.model_validate(own | {"seed": self.loop.seed} | more)
