"""Pictures from macaque V4: inverted encoder, CNN, GAN, Brain2Pix beside mean image, ridge, nearest known pictures.

python -m benchmarks.real_v4_decoding FOLDER/v4_cowley --out OUT            # all folds: hours; goes on where it was
python -m benchmarks.real_v4_decoding FOLDER/v4_cowley --out OUT --folds 0 --seeds 1   # a pilot

Pictures are decoded at 28 x 28 grey. Four sessions are learnt together, one core and a readout or read-in for each, on
folds of whole clusters of pictures (`benchmarks.v4_data`). One fold picks epochs, the inversion's step, how many
neighbours are averaged, how encoders are mixed and which decoder is the best: none of it sees the fold that is tested.
Encoders, CNN, GAN and Brain2Pix are then trained anew with the pictures set aside, as ridge is. Brain2Pix has every
unit where a Gaussian readout says that it looks: alone (FixedRF), and with a matrix that is learnt (LearnedRF). Every
method tells a picture from the same list of 99 others. The Gabor ridge (which sees colour, at full size) and the pixel
ridge are computed here too; beside the encoders that can be inverted there is one of colour pictures of 56 x 56, and a
Gabor ridge that sees 28 x 28 grey too.

Each finished fold is kept in OUT (``fold-K.npz``), and every training of one that is not finished; the report is one
JSON object on standard output, the contact sheet of 24 held-out pictures is ``OUT/pictures.png``.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.machine import machine
from benchmarks.entry import entry
from benchmarks.v4_brain2pix import paint, sessions_of
from benchmarks.v4_data import FOLDS, SESSIONS, Array, Data, distractors, folds_of, read
from benchmarks.v4_methods import (
    NEIGHBOURS,
    PARTS,
    Encoders,
    Networks,
    Weights,
    best_mix,
    both_ways,
    by_part,
    decode,
    mixed,
    nearest,
    told_of,
)
from benchmarks.v4_scores import ENCODER, GREY_GABOR, LINEAR, RIDGE, WIDE, pixel_r, scores, sheet
from calibration.brain2pix.fit import Fitted as Painted
from calibration.brain2pix.fit import fit_brain2pix
from calibration.brain2pix.material import Movie
from calibration.brain2pix.settings import SMALL as BRAIN2PIX
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.closed_form import ridge_raw
from calibration.mouse_v1.fit_decoder import Guide, fit_decoder
from calibration.mouse_v1.fit_encoder import FittedEncoder, fit_encoder
from calibration.mouse_v1.inversion import choose, invert
from calibration.mouse_v1.material import Animal, Responses
from calibration.mouse_v1.meis import most_exciting
from calibration.mouse_v1.settings import (
    CNN,
    GAN,
    DecoderSettings,
    EncoderSettings,
    InversionSettings,
    MEISettings,
)
from calibration.mouse_v1.trained import Search
from calibration.sections import Section
from streamkit.errors import BadInput

MIXED = "encoders, mixed"
MEAN, PRIOR, INVENC, CNN_NAME, GAN_NAME = "mean image", "nearest prior", "InvEnc", "CNN", "GAN"
FIXED, LEARNED = "Brain2Pix, FixedRF", "Brain2Pix, LearnedRF"
ALONE = "Brain2Pix, LearnedRF, no adversary"
NO_ADVERSARY = {"adversarial": 0.0, "feature": 30.0, "pixel": 10.0}
WITH_RIDGE, CHOSEN = "CNN and ridge, mixed", "chosen"
Painter = Callable[[Animal, str], Array]
"""From a session and a part to pictures of that part's presentations."""
SEARCHED = 100
"""Pictures set aside of each session that the inversion's search looks at."""
logger = logging.getLogger("benchmarks.real_v4_decoding")


@dataclass(frozen=True)
class Sizes:
    """What is trained.

    Attributes
    ----------
    encoder
        With a Gaussian readout, which says where units look.
    linear
        With a linear readout of maps averaged on a coarse grid.
    wide
        An encoder of colour pictures of 56 x 56, which is mixed and not inverted.
    """

    encoder: EncoderSettings
    linear: EncoderSettings
    wide: EncoderSettings | None
    meis: MEISettings
    inversion: InversionSettings
    search: Search
    cnn: DecoderSettings
    gan: DecoderSettings
    brain2pix: Brain2PixSettings

    @property
    def of_grey(self) -> dict[str, EncoderSettings]:
        """Encoders that see the pictures that are decoded, by name."""
        return {ENCODER: self.encoder, LINEAR: self.linear}

    def told(self) -> dict[str, Any]:
        """All of them as JSON has them."""
        return json.loads(json.dumps({each.name: getattr(self, each.name) for each in fields(self)}, default=as_json))


def as_json(settings: Any) -> Any:
    """Settings of a training, or of a search."""
    return settings.model_dump(mode="json") if isinstance(settings, Section) else asdict(settings)


SMALL_DATA = EncoderSettings(
    layers=3,
    channels=24,
    kernel=7,
    hidden_kernel=5,
    smooth=1.0,
    sparse=0.01,
    shift=3,
    lr=0.003,
    decays=0,
    epochs=30,
    batch_size=32,
)
SIZES = Sizes(
    encoder=SMALL_DATA,
    linear=SMALL_DATA.but(readout="linear", pool=11, channels=32),
    wide=SMALL_DATA.but(kernel=9, hidden_kernel=7),
    meis=MEISettings(steps=100, lr=2.0),
    inversion=InversionSettings(batch_size=200),
    search=Search((100.0, 300.0, 1000.0), (2.5, 4.0, 6.0), (10, 30, 100)),
    cnn=CNN.but(
        unflatten=(2, 14, 14),
        channels=(32, 24, 16),
        kernels=(5, 5, 4),
        strides=(2, 1, 1),
        paddings=(1, 2, 1),
        dropout=0.2,
        loss="correlation",
        lr=3e-4,
        epochs=10,
        batch_size=64,
        select="r",
        warm_start=True,
    ),
    gan=GAN.but(
        channels=(16, 16, 12, 12, 8),
        kernels=(5, 5, 3, 3, 3),
        readin=24,
        context=(8, 32),
        dropout=0.2,
        critic=(12, 12, 8, 8, 8),
        critic_kernels=(5, 5, 3, 3, 3),
        loss="correlation",
        lr=1e-3,
        epochs=12,
        batch_size=32,
        select="r",
    ),
    brain2pix=BRAIN2PIX.but(fisheye=False, lr=5e-4, batch_size=32, epochs=8),
)


def animals_of(data: Data, images: Array, train: Array, aside: Array, test: Array) -> list[Animal]:
    """Every session as an animal that sees `images`, of all rows of `data`."""
    found = []
    for k, name in enumerate(SESSIONS):
        units = np.flatnonzero(data.unit_session == k)
        parts = {}
        for part, rows in (("train", train), ("validation", aside), ("test", test)):
            own = rows[data.session[rows] == k]
            X = data.Y[np.ix_(own, units)].astype(np.float32)
            parts[part] = Responses(X, images[own], np.arange(len(own)))
        found.append(Animal(f"s{name}", **parts))
    return found


def fold(
    data: Data, train: Array, aside: Array, test: Array, sizes: Sizes, seeds: tuple[int, ...], kept: Path
) -> dict[str, Array]:
    """Predicted responses and pictures of the tested presentations, by method; what was chosen is logged.

    Parameters
    ----------
    kept
        Folder of the trainings, which go on from there where they were stopped.
    """
    animals = animals_of(data, data.grey, train, aside, test)
    told = by_part(animals)
    networks = {name: encoders_of(told, data.grey, each, seeds, kept / name) for name, each in sizes.of_grey.items()}
    first = networks[ENCODER].told["aside"][0]
    best = min(networks.values(), key=lambda each: min(each.told["aside"][0].history.validation))
    if sizes.wide is not None:
        wide = animals_of(data, data.images, train, aside, test)
        networks[WIDE] = encoders_of(by_part(wide), data.images, sizes.wide, seeds, kept / WIDE)
    guides = {
        each.name: Guide(most_exciting(first.of(each.name), each.train.out_shape, sizes.meis), first.places(each.name))
        for each in animals
    }
    painted = {
        FIXED: sizes.brain2pix.but(network="fixed"),
        LEARNED: sizes.brain2pix.but(network="learned"),
        ALONE: sizes.brain2pix.but(network="learned", **NO_ADVERSARY),
    }
    decoders = {
        CNN_NAME: decoder(told, sizes.cnn, seeds, None, kept / CNN_NAME),
        GAN_NAME: decoder(told, sizes.gan, seeds, guides, kept / GAN_NAME),
        **{name: brain2pix(told, first, each, seeds, kept / name) for name, each in painted.items()},
    }
    found: dict[str, list[tuple[NDArray[np.intp], Array]]] = {}
    for k, animal in enumerate(animals):
        known = dict(zip(PARTS, (train, np.concatenate([train, aside])), strict=True))
        encoders = Encoders(data, networks, known, animal.name, k)
        rows, weights = encoders.rows(test), encoders.chosen(aside)
        said = encoders.predict(rows, "test")
        beside = {MIXED: mixed(said, weights), GREY_GABOR: encoders.ridge(data.grey_pyramid, rows, "test")}
        for name, values in (said | beside).items():
            full = np.full((len(rows), data.Y.shape[1]), np.nan)
            full[:, encoders.units] = values
            found.setdefault(f"encode/{name}", []).append((rows, full))
        images, facts = decoded(encoders, weights, animal, best, decoders, sizes)
        logger.info("%s: %s", animal.name, json.dumps({"encoders": weights, **facts}))
        for name, values in images.items():
            found.setdefault(f"decode/{name}", []).append((rows, values))
    return {name: in_order(parts, test) for name, parts in found.items()}


def encoders_of(
    told: dict[str, list[Animal]], images: Array, settings: EncoderSettings, seeds: tuple[int, ...], kept: Path
) -> Networks:
    """Encoders that differ in their seed."""
    return Networks(both_ways(kept, told, settings, seeds, fit_encoder), images)


def decoder(
    told: dict[str, list[Animal]],
    settings: DecoderSettings,
    seeds: tuple[int, ...],
    guides: dict[str, Guide] | None,
    kept: Path,
) -> Painter:
    """The CNN or the GAN."""
    named = settings.but(animals=tuple(animal.name for animal in told["test"]))
    models = both_ways(kept, told, named, seeds, partial(fit_decoder, guides=guides))
    return lambda animal, part: decode(models[part], told_of(animal, part).X, animal.name)


def brain2pix(
    told: dict[str, list[Animal]],
    encoder: FittedEncoder,
    settings: Brain2PixSettings,
    seeds: tuple[int, ...],
    kept: Path,
) -> Painter:
    """Brain2Pix, every unit where the encoder says that it looks."""
    aside, test = (sessions_of(told[part], encoder, settings) for part in PARTS)
    films = {"aside": (aside.film("train"), aside.film("validation")), "test": (test.film("train"), None)}

    def fit(known: tuple[Movie, Movie | None], settings: Brain2PixSettings, **further: Any) -> Painted:
        return fit_brain2pix(*known, settings, **further)

    models = both_ways(kept, films, settings, seeds, fit)
    shown = {"aside": (aside, "validation"), "test": (test, "test")}
    return lambda animal, part: paint(models[part], *shown[part], animal.name)


def in_order(parts: list[tuple[NDArray[np.intp], Array]], test: Array) -> Array:
    """Values of all sessions in the order of the tested rows."""
    rows = np.concatenate([rows for rows, _ in parts])
    values = np.concatenate([values for _, values in parts])
    order = {int(row): k for k, row in enumerate(rows)}
    return values[[order[int(row)] for row in test]]


def decoded(
    encoders: Encoders,
    weights: Weights,
    animal: Animal,
    inverse: Networks,
    decoders: dict[str, Painter],
    sizes: Sizes,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Pictures of one session's tested presentations, by method, and what was chosen on those set aside."""
    data, shown = encoders.data, animal.validation.y
    parts = {part: told_of(animal, part) for part in PARTS}
    made: dict[str, dict[str, Array]] = {MEAN: {}, RIDGE: {}}
    for part, given in parts.items():
        rows = encoders.rows(encoders.known[part])
        y = data.grey[rows].reshape(len(rows), -1).astype(np.float64)
        weight, bias = ridge_raw(data.Y[np.ix_(rows, encoders.units)], y)
        made[RIDGE][part] = (given.X @ weight.T + bias).reshape(given.y.shape)
        made[MEAN][part] = np.repeat(y.mean(0)[None], len(given), 0).reshape(given.y.shape)
    for name, painter in decoders.items():
        made[name] = {part: painter(animal, part) for part in PARTS}
    prior = {part: nearest(encoders, weights, part, given.X) for part, given in parts.items()}
    facts: dict[str, Any] = {"neighbours": max(NEIGHBOURS, key=lambda k: pixel_r(prior["aside"][k], shown))}
    made[PRIOR] = {part: each[facts["neighbours"]] for part, each in prior.items()}
    made[INVENC], facts["inversion"] = inverted(inverse, animal, sizes)
    made[WITH_RIDGE], facts["cnn_share"] = best_mix(made[CNN_NAME], made[RIDGE], shown)
    inner = {name: pixel_r(each["aside"], shown) for name, each in made.items()}
    facts["chosen"] = max(inner, key=lambda name: inner[name])
    made[CHOSEN] = made[facts["chosen"]]
    return {name: each["test"].astype(np.float32) for name, each in made.items()}, facts | {"inner": inner}


def inverted(networks: Networks, animal: Animal, sizes: Sizes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Pictures by the inverted encoder, with the step that is best on some of the pictures set aside."""
    looked = np.random.default_rng(0).permutation(len(animal.validation))[:SEARCHED]
    shown, shape = animal.validation.y[looked], animal.train.out_shape
    grid = (sizes.search.rates, sizes.search.sigmas, sizes.search.steps)
    first = networks.told["aside"][0]
    given = first.responses[animal.name](animal.validation.X[looked])
    chosen, _ = choose(first.of(animal.name), given, shape, sizes.inversion, lambda made: -pixel_r(made, shown), *grid)
    made = {}
    for part in PARTS:
        each = networks.told[part][0]
        X = each.responses[animal.name](told_of(animal, part).X)
        made[part] = invert(each.of(animal.name), X, shape, chosen)[0]
    return made, chosen.model_dump(include={"lr", "sigma", "steps"})


def same_settings(file: Path, sizes: Sizes, seeds: tuple[int, ...]) -> None:
    """Write down what the folds beside the file are trained with, or refuse to go on with something else."""
    now = {**sizes.told(), "seeds": list(seeds)}
    before = json.loads(file.read_text()) if file.is_file() else now
    other = [name for name in sorted({*now, *before}) if now.get(name) != before.get(name)]
    if other:
        raise BadInput(
            f"the folds in {file.parent} were trained with other settings ({', '.join(other)}): give another folder to "
            "--out, or the settings they were trained with"
        )
    file.write_text(json.dumps(now, indent=1) + "\n")


def run(data: Data, out: Path, sizes: Sizes, seeds: tuple[int, ...], folds: tuple[int, ...]) -> dict[str, Array]:
    """Answers to every presentation of these folds; folds that are there already are read.

    Raises
    ------
    BadInput
        When the folds in `out` are of other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    same_settings(out / "settings.json", sizes, seeds)
    whole: dict[str, Array] = {}
    for k, (train, aside, test) in enumerate(folds_of(data)):
        if k not in folds:
            continue
        file = out / f"fold-{k}.npz"
        if not file.is_file():
            begin = time.monotonic()
            kept = out / f"fold-{k}"
            found = fold(data, train, aside, test, sizes, seeds, kept)
            np.savez_compressed(file.with_suffix(".tmp.npz"), **found)
            file.with_suffix(".tmp.npz").rename(file)
            shutil.rmtree(kept, ignore_errors=True)
            logger.info("fold %d: %.0f s", k, time.monotonic() - begin)
        with np.load(file, allow_pickle=False) as found:
            for name in found.files:
                shape = (len(data.fold), *found[name].shape[1:])
                whole.setdefault(name, np.full(shape, np.nan, np.float32))[test] = found[name]
    return whole


def number(text: str) -> int:
    """How many networks."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} was given, expected a number of networks, 1 or more")
    return int(text)


def numbers(text: str) -> tuple[int, ...]:
    """Folds in ascending order."""
    if not all(each.isdecimal() and int(each) < FOLDS for each in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} was given, expected folds of 0 to {FOLDS - 1}, such as 0,2")
    return tuple(sorted({int(each) for each in text.split(",")}))


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for the folds and the contact sheet")
    parser.add_argument("--seeds", type=number, default=2, help="networks whose answers are averaged (2)")
    parser.add_argument("--narrow", action="store_true", help="without the encoder of colour pictures of 56 x 56")
    parser.add_argument("--folds", type=numbers, default=tuple(range(FOLDS)), help="which to run, as 0,2 (all)")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    begin = time.monotonic()
    sizes = replace(SIZES, wide=None) if given.narrow else SIZES
    data = read(given.path)
    said = run(data, given.out, sizes, tuple(range(given.seeds)), given.folds)
    sheet(data, said, given.out / "pictures.png")
    facts = {
        "machine": machine(),
        "seconds": time.monotonic() - begin,
        "seeds": given.seeds,
        "folds": given.folds,
        "note": "28 x 28 grey; repeat-averaged counts; r of encoding: mean over units and folds; identification: among "
        "the same list of 100 pictures for every method; intervals: bootstrap over clusters of pictures",
        "sizes": sizes.told(),
        "sessions": scores(data, said, distractors(data)),
    }
    json.dump(facts, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    entry(main)
