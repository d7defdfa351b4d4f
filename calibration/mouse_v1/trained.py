"""Encoders and decoders of one material, each trained once however many experiments ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from calibration.mouse_v1.features import Classifier
from calibration.mouse_v1.fid import Fid
from calibration.mouse_v1.fit_decoder import FittedDecoder, Guide, fit_decoder
from calibration.mouse_v1.fit_encoder import FittedEncoder, fit_encoder
from calibration.mouse_v1.inversion import Tried, choose, invert
from calibration.mouse_v1.latents import Autoencoder
from calibration.mouse_v1.material import Material
from calibration.mouse_v1.meis import most_exciting
from calibration.mouse_v1.scores import ssim_losses
from calibration.mouse_v1.settings import DecoderSettings, EncoderSettings, InversionSettings, MEISettings
from calibration.progress import Progress
from calibration.training.kept import Kept, fingerprint, folder_of


@dataclass(frozen=True)
class Search:
    """What the inverted encoder's setting is chosen from, on validation pictures."""

    rates: tuple[float, ...]
    sigmas: tuple[float, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Guided:
    """What decoders are trained on: animals, and for the GAN what their encoder gives it."""

    material: Material
    guides: Mapping[str, Guide] = field(default_factory=dict)
    fid: Fid | None = None


def train_encoder(
    material: Material,
    settings: EncoderSettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> FittedEncoder:
    """Train one encoder of all animals."""
    return fit_encoder(material.animals, settings, loop=loop, checkpoint=checkpoint, progress=progress)


def train_decoder(
    material: Guided,
    settings: DecoderSettings,
    loop: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> FittedDecoder:
    """Train one decoder of the animals that its settings name."""
    animals = material.material.called(settings.animals)
    return fit_decoder(
        animals, settings, guides=material.guides, fid=material.fid, loop=loop, checkpoint=checkpoint, progress=progress
    )


@dataclass
class Encoders(Kept[EncoderSettings, FittedEncoder]):
    """Trained encoders; see `calibration.training.kept.Kept`."""

    material: Material
    train_one: Callable[..., FittedEncoder] = field(default=train_encoder, kw_only=True, repr=False)


@dataclass
class Decoders(Kept[DecoderSettings, FittedDecoder]):
    """Trained decoders; see `calibration.training.kept.Kept`."""

    material: Guided
    train_one: Callable[..., FittedDecoder] = field(default=train_decoder, kw_only=True, repr=False)


@dataclass
class Trained:
    """Everything that is trained on one material.

    Attributes
    ----------
    encoder, meis, inversion, search
        Settings of the encoder that is inverted and makes most exciting images, and of both. One encoder serves all
        seeds of the decoders.
    fid
        With the user's weights; None without.
    weights, autoencoder, accept_licence
        Files and folders of pretrained networks, ``sd-vae`` and ``resnet50``; which autoencoder the folder holds (a
        key of `calibration.mouse_v1.latents.AUTOENCODERS`), and whether its licence is accepted.
    scheduler, workers, loop, progress, resume
        See `calibration.training.kept.Kept`.
    """

    material: Material
    encoder: EncoderSettings
    meis: MEISettings
    inversion: InversionSettings
    search: Search
    fid: Fid | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    autoencoder: str = "sd-v1-4"
    accept_licence: bool = False
    scheduler: str | None = None
    workers: int | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    resume: Path | None = None

    @cached_property
    def encoders(self) -> Encoders:
        """Of all animals together."""
        return Encoders(self.material, **self._training)

    @property
    def _training(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("scheduler", "workers", "loop", "progress", "resume")}

    def folder_of(self, pretrained: Autoencoder | Classifier, settings: Any) -> Path | None:
        """Where the training of a decoder around a pretrained network, on the first animal, is kept."""
        if self.resume is None:
            return None
        return folder_of(self.resume, self._first_animal, pretrained.fingerprint, settings, dict(self.loop))

    @cached_property
    def _first_animal(self) -> str:
        return fingerprint(self.material.first)

    def encoder_of(self, seed: int = 0) -> FittedEncoder:
        """The encoder of these settings."""
        return self.encoders.of(self.encoder, [seed])[0]

    @cached_property
    def guides(self) -> dict[str, Guide]:
        """Most exciting images and places of the neurons of every animal, by the encoder of seed 0."""
        fitted = self.encoder_of()
        return {
            animal.name: Guide(
                most_exciting(fitted.of(animal.name), animal.train.out_shape, self.meis, self.progress),
                fitted.places(animal.name),
            )
            for animal in self.material.animals
        }

    @cached_property
    def decoders(self) -> Decoders:
        """CNN and GAN decoders; the GAN's guides are made when they are first asked for."""
        return Decoders(Guided(self.material, self.guides, self.fid), **self._training)

    @cached_property
    def unguided(self) -> Decoders:
        """CNN decoders, which need no encoder."""
        return Decoders(Guided(self.material, fid=self.fid), **self._training)

    def all(self, variants: Sequence[DecoderSettings], seeds: Sequence[int]) -> list[list[FittedDecoder]]:
        """One decoder per variant and seed."""
        return [(self.decoders if each.decoder == "gan" else self.unguided).of(each, seeds) for each in variants]

    @cached_property
    def choice(self) -> tuple[InversionSettings, list[Tried]]:
        """`chosen` for the encoder of seed 0, searched once however many experiments ask."""
        return self.chosen(self.encoder_of())

    def chosen(self, fitted: FittedEncoder) -> tuple[InversionSettings, list[Tried]]:
        """The inversion's setting that is best on validation pictures: by FID-64 with weights, by SSIM loss without."""
        animal = self.material.first
        test = animal.validation.by_image()

        def bad(images: Any) -> float:
            return self.fid(images, test.y) if self.fid else float(ssim_losses(images, test.y).mean())

        X = fitted.responses[animal.name](test.X)
        grid = (self.search.rates, self.search.sigmas, self.search.steps)
        return choose(fitted.of(animal.name), X, test.out_shape, self.inversion, bad, *grid, self.progress)

    def inverted(self, fitted: FittedEncoder, settings: InversionSettings, X: Any) -> Any:
        """Pictures for responses as measured, standardised."""
        animal = self.material.first
        scaled = fitted.responses[animal.name](X)
        return invert(fitted.of(animal.name), scaled, animal.test.out_shape, settings, progress=self.progress)[0]

    def with_material(self, material: Material) -> Trained:
        """The same trainings on another material."""
        return replace(self, material=material)
