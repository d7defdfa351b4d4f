"""What a training is told."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LoopSettings(BaseModel):
    """One training, key by key.

    Parameters
    ----------
    epochs, batch_size
        An epoch visits every row once; its batches hold `batch_size` rows, and what is left over is dealt among them.
    lr, betas, weight_decay, optimiser
        Of Adam with decoupled weight decay (``"adamw"``), Adam or Adamax.
    fused
        One kernel for the whole update, in AdamW and Adam: faster, and different from torch's plain update in the last
        bit of a weight.
    schedule
        Of the learning rate: ``"cosine"`` falls along half a cosine, to `least` or else a thousandth; ``"step"`` is
        multiplied by `gamma` every `step` epochs; ``"constant"`` stays; ``"plateau"`` is multiplied by `gamma` whenever
        the validation loss has not fallen for `plateau` epochs, `decays` times and not below `least`; the training ends
        when it would be for once more.
    warm_up
        How long the learning rate climbs at the beginning: a share of all steps below 1, a number of steps from 1 on.
    clip
        Largest norm of the gradient; 0 or none for no limit.
    patience
        Epochs without a better validation loss before it ends.
    keep
        The weights of the epoch with the lowest validation loss, or those of the last; without validation the last.
    max_seconds
        Ends the training early; 0 for no limit. The result then depends on the machine's speed.
    seed
        Of everything random: order, dropout, and whatever a loss draws with torch.
    deterministic
        Only operations that give the same bits every time; some are slower, a few have no such form and are refused. A
        processor gives the same bits for the same number of threads without it.
    precision
        ``"bf16-mixed"`` and ``"16-mixed"`` compute what can bear it in 16 bits and keep weights in 32.
    accelerator, devices
        ``"cpu"``, ``"gpu"``, or ``"auto"``: a GPU where there is one. From two devices on, each takes a part of every
        batch in a process of its own, so a loss that compares rows sees those of its part, and normalising layers
        settle on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(50, ge=1)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(1e-2, ge=0)
    optimiser: Literal["adamw", "adam", "adamax"] = "adamw"
    fused: bool = False
    schedule: Literal["cosine", "constant", "step", "plateau"] = "cosine"
    step: int = Field(3, ge=1)
    gamma: float = Field(0.85, gt=0, le=1)
    plateau: int = Field(5, ge=1)
    decays: int = Field(4, ge=0)
    least: float = Field(0.0, ge=0)
    warm_up: float = Field(0.1, ge=0)
    clip: float | None = Field(1.0, ge=0)
    patience: int = Field(10, ge=1)
    keep: Literal["best", "last"] = "best"
    max_seconds: float = Field(0.0, ge=0)
    seed: int = Field(0, ge=0)
    deterministic: bool = False
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
