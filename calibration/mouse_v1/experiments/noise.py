"""Scores against the strength of the signal, beside an oracle; and the inverted encoder on its own responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from calibration.mouse_v1.experiments.decoding import Said, of_baselines, of_decoders, of_inversion
from calibration.mouse_v1.experiments.plan import Plan, Systems
from calibration.mouse_v1.oracle import best_images
from calibration.mouse_v1.paper import CNN, GAN, INVENC, MEAN_IMAGE, ORACLE
from calibration.mouse_v1.scores import differences, rows_of
from calibration.mouse_v1.trained import Trained
from calibration.tables.experiment import SIGNALS
from calibration.tables.items import Row
from calibration.tables.table import Table

OWN = f"{INVENC}, its own responses"


@dataclass(frozen=True)
class Known:
    """A simulated mouse, and the truth about it.

    Attributes
    ----------
    expected
        ``(n_pictures, n_units)`` counts of each test picture at a gain of 1, in the order of the material's pictures.
    gain_sd
        Deviation of the gain that all units share in a presentation.
    """

    trained: Trained
    expected: NDArray
    gain_sd: float


def noise(
    known: Callable[[float], Known],
    systems: Systems,
    seeds: Sequence[int],
    plan: Plan,
    signals: Sequence[float] = SIGNALS,
) -> Table:
    """All decoders at several signals, each less the mean image, and the oracle.

    Parameters
    ----------
    known
        The mouse at a signal.
    """
    rows: list[Row] = []
    for signal in signals:
        rows += _at(signal, known(signal), systems, seeds, plan)
    return Table(rows)


def _at(signal: float, known: Known, systems: Systems, seeds: Sequence[int], plan: Plan) -> list[Row]:
    trained, animal = known.trained, known.trained.material.first
    test = animal.test.by_image()
    said = {INVENC: of_inversion(trained, seeds, plan)[0], OWN: own(trained, seeds, plan)}
    models = trained.all([systems.cnn, systems.gan], seeds)
    said |= {name: of_decoders(each, animal, plan) for name, each in zip((CNN, GAN), models, strict=True)}
    said |= of_baselines(animal, plan)
    best = best_images(animal.test, known.expected, known.gain_sd)
    said[ORACLE] = Said.of([best[test.shown]], test.y, plan)
    rows: list[Row] = []
    for name, each in said.items():
        rows += rows_of(f"{name}, signal {signal:g}", each.scored, plan.draws, signal=signal, decoder=name)
    for name in (INVENC, CNN, GAN):
        label = f"{name} − {MEAN_IMAGE}, signal {signal:g}"
        rows += differences(label, said[MEAN_IMAGE].scored, said[name].scored, plan.draws, signal=signal)
    return rows


def own(trained: Trained, seeds: Sequence[int], plan: Plan) -> Said:
    """The inverted encoder on what its own encoder predicts for the test pictures, without noise."""
    fitted, animal = trained.encoder_of(), trained.material.first
    test = animal.test.by_image()
    chosen, _ = trained.choice
    X = fitted.predict(test.y, animal.name)
    return Said.of([trained.inverted(fitted, chosen.but(seed=seed), X) for seed in seeds], test.y, plan)


def inversion(trained: Trained, systems: Systems, seeds: Sequence[int], plan: Plan) -> Table:
    """The inverted encoder, on recorded and on its own responses, with and without what the report leaves unsaid."""
    fitted, animal = trained.encoder_of(), trained.material.first
    test = animal.test.by_image()
    chosen, tried = trained.choice
    rows = rows_of(OWN, own(trained, seeds, plan).scored, plan.draws, decoder=OWN)
    variants = {INVENC: chosen, "without rescaling": chosen.but(rescale=False), "without blur": chosen.but(sigma=0.0)}
    for name, settings in variants.items():
        images = [trained.inverted(fitted, settings.but(seed=seed), test.X) for seed in seeds]
        facts = {"lr": settings.lr, "sigma": settings.sigma, "steps": settings.steps}
        rows += rows_of(name, Said.of(images, test.y, plan).scored, plan.draws, decoder=name, **facts)
    for each in tried:
        rows.append(_tried(each.settings, each.score, len(animal.validation.by_image())))
    return Table(rows)


def _tried(settings: object, value: float, n: int) -> Row:
    """One line of the search, on validation pictures."""
    lr, sigma, steps = (getattr(settings, key) for key in ("lr", "sigma", "steps"))
    return {
        "row": f"lr {lr:g}, sigma {sigma:g}, {steps} steps",
        "metric": "validation, less is better",
        "value": value if value < float("inf") else None,
        "chance": None,
        "ci95": [None, None],
        "p": None,
        "n": n,
        "note": "the search; chosen on validation pictures, never on test pictures",
        "lr": lr,
        "sigma": sigma,
        "steps": steps,
    }
