"""BrainAE: brain encoder and brain decoder around one embedding that brains and images share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from models.brainae import EMBEDDING, KERNEL, POOL, TSConv, numbers_of
from models.brainae_decoder import Activation, BrainDecoder, LinearDecoder
from models.eeg_backbones import backbone_encoder


class BrainAE(nn.Module):
    """Brain encoder, brain decoder and what stands between image features and their embedding.

    Parameters
    ----------
    encoder
        ``(B, n_chans, n_times)`` to ``(B, embedding)``.
    decoder
        ``(B, embedding)`` to ``(B, n_chans, n_times)``; the same one decodes brains and images.
    img_proj
        ``(B, n_features)`` to ``(B, embedding)``; features are the embedding where it is left out.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, img_proj: nn.Module | None = None):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.img_proj = nn.Identity() if img_proj is None else img_proj

    def encode(self, x: Tensor) -> Tensor:
        """Responses ``(B, n_chans, n_times)`` to embeddings ``(B, embedding)``."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings, of responses or images, ``(B, embedding)`` to responses ``(B, n_chans, n_times)``."""
        return self.decoder(z)

    def project(self, f: Tensor) -> Tensor:
        """Image features ``(B, n_features)`` to embeddings ``(B, embedding)``."""
        return self.img_proj(f)

    def forward(self, x: Tensor) -> Tensor:
        """Responses ``(B, n_chans, n_times)`` to what is left of them behind the embedding, in the same shape."""
        return self.decode(self.encode(x))


def build_system(
    n_chans: int,
    n_times: int,
    n_features: int = EMBEDDING,
    embedding: int = EMBEDDING,
    backbone: str = "tsconv",
    decoder: Literal["conv", "linear"] = "conv",
    img_proj: Literal["auto", "none", "linear"] = "auto",
    filters: int = 40,
    kernel: int = KERNEL,
    pool: int = POOL,
    dropout: float = 0.5,
    out_act: Activation = "tanh",
    sfreq: float = 250.0,
) -> BrainAE:
    """BrainAE whole.

    Parameters
    ----------
    n_features
        Of an image.
    backbone
        ``"tsconv"``, the published encoder, or one of `models.eeg_backbones.BACKBONES`.
    img_proj
        ``"none"`` (the authors' code), a trained ``"linear"`` layer (the paper), or ``"auto"``: none where features
        have as many numbers as the embedding.
    filters, kernel, pool, dropout
        Of the published encoder and decoder.
    """
    projection = _projection(img_proj, n_features, embedding)
    if decoder not in ("conv", "linear"):
        raise ValueError(f"decoder={decoder!r} was given, expected 'conv' or 'linear'")
    if backbone == "tsconv":
        encoder: nn.Module = TSConv(n_chans, n_times, embedding, filters, kernel, pool, dropout)
    else:
        encoder = backbone_encoder(backbone, n_chans, n_times, embedding, sfreq)
    if decoder == "linear":
        return BrainAE(encoder, LinearDecoder(n_chans, n_times, embedding), projection)
    return BrainAE(encoder, BrainDecoder(n_chans, n_times, embedding, filters, kernel, pool, out_act), projection)


def _projection(img_proj: str, n_features: int, embedding: int) -> nn.Module | None:
    if img_proj not in ("auto", "none", "linear"):
        raise ValueError(f"img_proj={img_proj!r} was given, expected 'auto', 'none' or 'linear'")
    if img_proj == "none" and n_features != embedding:
        raise ValueError(
            f"img_proj='none' was given with {n_features} features and an embedding of {embedding}, expected as many "
            "of each: use img_proj='linear', or change the embedding"
        )
    return nn.Linear(n_features, embedding) if img_proj == "linear" or n_features != embedding else None


def brainae_encoder(
    n_chans: int,
    n_times: int,
    embedding: int | None = None,
    filters: int = 40,
    kernel: int = KERNEL,
    pool: int = POOL,
    dropout: float = 0.5,
    adapt: bool = False,
    out_shape: Sequence[int] | None = None,
    sfreq: float | None = None,
) -> TSConv:
    """Brain encoder, ``(B, n_chans, n_times)`` to ``(B, embedding)``; see `models.brainae.TSConv`.

    The embedding has 1024 numbers unless `embedding`, or `out_shape` of a recipe, says otherwise.
    """
    return TSConv(n_chans, n_times, numbers_of(embedding, out_shape), filters, kernel, pool, dropout, adapt)


def brainae_decoder(
    n_chans: int,
    n_times: int,
    embedding: int = EMBEDDING,
    filters: int = 40,
    kernel: int = KERNEL,
    pool: int = POOL,
    out_act: Activation = "tanh",
) -> BrainDecoder:
    """Brain decoder, ``(B, embedding)`` to ``(B, n_chans, n_times)``; see `models.brainae_decoder.BrainDecoder`."""
    return BrainDecoder(n_chans, n_times, embedding, filters, kernel, pool, out_act)


def brainae_linear_decoder(n_chans: int, n_times: int, embedding: int = EMBEDDING) -> LinearDecoder:
    """Linear decoder, the baseline: ``(B, embedding)`` to ``(B, n_chans, n_times)``."""
    return LinearDecoder(n_chans, n_times, embedding)
