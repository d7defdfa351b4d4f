"""How a training went."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """How a training went: loss per epoch, and the epoch whose weights were kept (counted from 0).

    Attributes
    ----------
    train, validation
        The loss that was made small.
    best
        The epoch whose weights were kept.
    seconds
        It took, the time before it was taken up again included.
    stopped
        Why it ended, in words.
    logged
        Whatever else the loss function returned, by name, one mean per epoch; of the validation set under
        ``"validation NAME"``.
    """

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0
    seconds: float = 0.0
    stopped: str = "all epochs done"
    logged: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, means: dict[str, float]) -> None:
        """Note the means of one epoch: ``"loss"`` in `name` (train or validation), the others in `logged`."""
        getattr(self, name).append(means["loss"])
        prefix = "" if name == "train" else f"{name} "
        for key, value in means.items():
            if key != "loss":
                self.logged.setdefault(prefix + key, []).append(value)
