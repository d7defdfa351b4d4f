"""What the GAN decoder owes to each of its parts, and to the amount of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibration.mouse_v1.experiments.decoding import costs, lines, of_decoders
from calibration.mouse_v1.experiments.plan import Plan, Systems
from calibration.mouse_v1.material import Material
from calibration.mouse_v1.paper import GAN, GAN_ALL
from calibration.mouse_v1.scores import differences
from calibration.mouse_v1.settings import DecoderSettings
from calibration.mouse_v1.trained import Trained
from calibration.tables.items import Row
from calibration.tables.table import Table


def _variants(
    trained: Trained, variants: dict[str, DecoderSettings], seeds: Sequence[int], plan: Plan, key: str = ""
) -> Table:
    """Decoders that differ in their settings, each less the first; `key` of the settings goes into the lines."""
    models = dict(zip(variants, trained.all(list(variants.values()), seeds), strict=True))
    said = {name: of_decoders(each, trained.material.first, plan) for name, each in models.items()}
    rows: list[Row] = []
    for name, each in said.items():
        further = {key: getattr(variants[name], key)} if key else {}
        rows += lines(name, each, trained, plan, **costs(models[name]), **further)
    first, *others = said
    for name in others:
        rows += differences(f"{name} − {first}", said[first].scored, said[name].scored, plan.draws)
    return Table(rows)


def channels(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """Maps between the GAN's read-in and its core."""
    variants = {f"{n} channels": systems.gan.but(readin=n) for n in plan.channels}
    return _variants(trained, variants, seeds, plan, "readin")


def inputs(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """Coordinates of neurons beside their responses, and the logarithm of responses."""
    variants = {
        "responses": systems.gan,
        "with coordinates": systems.gan.but(coordinates=True),
        "logarithm": systems.gan.but(transform="log"),
    }
    return _variants(trained, variants, seeds, plan)


def losses(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """Log SSIM, squared and absolute error beside the discriminator, and none of it."""
    variants = {
        "log SSIM": systems.gan,
        "squared error": systems.gan.but(loss="mse"),
        "absolute error": systems.gan.but(loss="mae"),
        "log SSIM, no discriminator": systems.gan.but(adversarial=0.0, stimulus=1.0),
    }
    return _variants(trained, variants, seeds, plan)


def data(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """GANs trained on a share of the presentations; the encoder that guides them is trained on all."""
    rows: list[Row] = []
    for share in sorted(plan.data):
        animal = trained.material.first.with_share(share, plan.seed)
        material = Material((animal,), trained.material.name, trained.material.simulated)
        part = trained if share == 1 else _guided(trained, material, trained.guides)
        models = part.all([systems.gan], seeds)[0]
        said = of_decoders(models, animal, plan)
        rows += lines(f"{len(animal.train)} presentations", said, trained, plan, share=share)
    return Table(rows)


def neurons(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """GANs that read a share of the neurons."""
    rows: list[Row] = []
    whole = trained.material.first
    for share in sorted(plan.neurons):
        n = max(1, round(share * whole.train.n_neurons))
        kept = np.sort(np.random.default_rng(plan.seed).permutation(whole.train.n_neurons)[:n])
        animal = whole if share == 1 else whole.only(kept)
        guide = trained.guides[whole.name]
        guides = {whole.name: replace(guide, meis=guide.meis[kept], places=guide.places[kept])}
        material = Material((animal,), trained.material.name, trained.material.simulated)
        part = trained if share == 1 else _guided(trained, material, guides)
        said = of_decoders(part.all([systems.gan], seeds)[0], animal, plan)
        rows += lines(f"{n} neurons", said, trained, plan, neurons=n)
    return Table(rows)


def merged(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """One core for all animals and a read-in for each, beside the core of one animal."""
    names = tuple(animal.name for animal in trained.material.animals)
    variants = {GAN: systems.gan, GAN_ALL: systems.gan.but(animals=names)}
    return _variants(trained, variants, seeds, plan)


def _guided(trained: Trained, material: Material, guides: object) -> Trained:
    """The same trainings on another material, guided by what there is."""
    other = trained.with_material(material)
    other.__dict__["guides"] = guides  # in the place of the cached property, so that no encoder is trained for them
    return other
