"""The four losses of BrainAE, and the switches of its ablation table.

With ``z`` the embedding of a response ``X``, ``f`` the (projected) features of the image and ``D`` the decoder::

    con          cross-entropy over cosines z·f / tau of the batch, brain to image, and back when symmetric
    fea          mean (z - f)²
    recon_brain  mean (X - D(z))²
    recon_image  mean (X - D(f))²

The paper's contrastive loss goes from brain to image alone; its authors' code is symmetric, and so is the default here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from calibration.sections import Section
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor, nn

TAUS = (0.003, 0.005, 0.007, 0.03, 0.05, 0.07, 0.3, 0.7)
"""Temperatures of the paper's sweep; it prints .3 twice."""


class Weights(Section):
    """What each loss counts for; one of weight 0 is not computed."""

    con: float = Field(1.0, ge=0)
    fea: float = Field(1.0, ge=0)
    recon_brain: float = Field(1.0, ge=0)
    recon_image: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _something_counts(self) -> Weights:
        if not (self.need_embedding or self.recon_image):
            raise ValueError("all four weights are 0, so nothing would be learnt: give one of them a weight")
        return self

    @property
    def need_embedding(self) -> bool:
        """Whether the brain encoder takes part."""
        return bool(self.con or self.fea or self.recon_brain)


ABLATIONS: dict[str, Weights] = {
    "full": Weights(),
    "w/o con": Weights(con=0),
    "w/o fea": Weights(fea=0),
    "w/o reconB": Weights(recon_brain=0),
    "w/o reconI": Weights(recon_image=0),
    "con only": Weights(fea=0, recon_brain=0, recon_image=0),
    "recon only": Weights(con=0, fea=0),
}
"""Rows of the paper's Table 4; *recon* is both reconstructions."""

CONTROLS: dict[str, Weights] = {"reconB only": Weights(con=0, fea=0, recon_image=0)}
"""Not in the paper: nothing here joins responses and images, so whatever finds images again is an error."""

DECODER_ALONE = Weights(con=0, fea=0, recon_brain=0)
"""The decoder learns from image features; there is no brain side."""


def losses(
    model: nn.Module,
    X: Tensor,
    f: Tensor,
    weights: Weights,
    tau: float = 0.07,
    symmetric: bool = True,
    image: Tensor | None = None,
) -> dict[str, Tensor]:
    """Losses of one batch.

    Parameters
    ----------
    model
        A `models.brainae_system.BrainAE`.
    X, f
        ``(B, n_chans, n_times)`` responses and ``(B, n_features)`` features of the images shown.
    image
        ``(B,)`` numbers of the images; repeats of an image in one batch are then not taken for wrong answers.

    Returns
    -------
    dict
        Each loss that counts, unweighted, and their weighted sum ``"loss"``.
    """
    f = model.project(f)  # type: ignore[operator]
    parts: dict[str, Tensor] = {}
    if weights.need_embedding:
        z = model.encode(X)  # type: ignore[operator]
        if weights.con:
            parts["con"] = contrastive(z, f, tau, symmetric, image)
        if weights.fea:
            parts["fea"] = (z - f).square().mean()
        if weights.recon_brain:
            parts["recon_brain"] = (X - model.decode(z)).square().mean()  # type: ignore[operator]
    if weights.recon_image:
        parts["recon_image"] = (X - model.decode(f)).square().mean()  # type: ignore[operator]
    total = sum(getattr(weights, name) * part for name, part in parts.items())
    return {"loss": total, **parts}  # type: ignore[dict-item]


def contrastive(z: Tensor, f: Tensor, tau: float, symmetric: bool = True, image: Tensor | None = None) -> Tensor:
    """InfoNCE of a batch: ``(B, D)`` twice to a number.

    Parameters
    ----------
    symmetric
        Mean of brain to image and image to brain, rather than brain to image alone.
    image
        ``(B,)``; further rows of one's own image are no candidates.
    """
    functional = require("torch.nn.functional", "train", "calibration")
    logits = functional.normalize(z, dim=1) @ functional.normalize(f, dim=1).T / tau  # (B, B)
    own = _arange(logits)
    if image is not None:
        again = (image[:, None] == image[None]) & (own[:, None] != own[None])
        logits = logits.masked_fill(again, float("-inf"))
    to_image = functional.cross_entropy(logits, own)
    return (to_image + functional.cross_entropy(logits.T, own)) / 2 if symmetric else to_image


def _arange(logits: Tensor) -> Tensor:
    torch = require("torch", "train", "calibration")
    return torch.arange(len(logits), device=logits.device)
