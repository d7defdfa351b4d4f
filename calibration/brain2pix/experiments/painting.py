"""Experiments that train networks and hold their pictures beside the frames shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.experiments.plan import Plan
from calibration.brain2pix.fit import Fitted
from calibration.brain2pix.material import Movie
from calibration.brain2pix.nishimoto import fit_nishimoto
from calibration.brain2pix.scores import Beside, Scores, differences, rows_of
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.tables.items import Row
from calibration.tables.table import Table

Array = NDArray[np.floating]
FIXED, LEARNED, SHEN, DENSE = "FixedRF", "LearnedRF", "Shen", "FC"
NAMES = {"fixed": FIXED, "learned": LEARNED, "shen": SHEN, "dense": DENSE}
NISHIMOTO, MEAN = "Nishimoto", "mean frame"
SHOWN, N_EXAMPLES = "shown", 8


def main(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """FixedRF, straight and as it is painted through the fisheye, beside the mean frame."""
    models, test = trained.of(settings, seeds), trained.material.test
    name, found, mean = NAMES[settings.network], scored(models, test, plan), mean_of(trained, plan)
    rows = rows_of(name, found, plan.draws, decoder=name, **costs(models))
    rows += rows_of(MEAN, [mean], plan.draws, decoder=MEAN)
    rows += differences(f"{name} − {MEAN}", [mean] * len(seeds), found, plan.draws)
    if settings.fisheye:
        warped = [plan.score(Beside(each.painted(test), each.as_learnt(test).shown(), test.shot)) for each in models]
        rows += rows_of(f"{name}, through the fisheye", warped, plan.draws, decoder="fisheye")
    return Table(rows, examples({name: models[0]}, test))


def baselines(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """FixedRF and LearnedRF beside Shen, Nishimoto and the fully connected network; FixedRF less each of them."""
    variants = {name: settings.but(network=key) for key, name in NAMES.items()}
    models = dict(zip(variants, trained.all(list(variants.values()), seeds), strict=True))
    material, found = trained.material, {}
    rows: list[Row] = []
    for name, each in models.items():
        found[name] = scored(each, material.test, plan)
        rows += rows_of(name, found[name], plan.draws, decoder=name, **costs(each))
    again = fit_nishimoto(material.train, material.validation, plan.nishimoto)
    pictures = again.predict(material.test)
    one = plan.score(Beside(pictures, material.test.shown(), material.test.shot))
    found[NISHIMOTO] = [one] * len(seeds)  # nothing in it is drawn by a seed
    how = {"penalty": again.penalty, "encoding_r": again.validation_r, **plan.nishimoto.model_dump(exclude={"weights"})}
    rows += rows_of(NISHIMOTO, [one], plan.draws, decoder=NISHIMOTO, **how)
    for name in (LEARNED, SHEN, NISHIMOTO, DENSE):
        rows += differences(f"{FIXED} − {name}", found[name], found[FIXED], plan.draws)
    drawn = examples({name: each[0] for name, each in models.items()}, material.test)
    return Table(rows, {**drawn, NISHIMOTO: pictures[some(material.test)].transpose(0, 2, 3, 1)})


def regions(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Every region alone, as images of five lags, and all of them together less each."""
    names = trained.material.train.regions
    variants = [settings, *(settings.but(regions=(name,)) for name in names)]
    together, *alone = trained.all(variants, seeds)
    test = trained.material.test
    whole, rows = scored(together, test, plan), lines("all regions", together, test, plan)
    for name, models in zip(names, alone, strict=True):
        found = scored(models, test, plan)
        voxels = len(models[0].voxels)
        rows += rows_of(f"{name} alone", found, plan.draws, decoder=name, voxels=voxels)
        rows += differences(f"all regions − {name} alone", found, whole, plan.draws)
    return Table(rows, examples({name: models[0] for name, models in zip(names, alone, strict=True)}, test))


def losses(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """All three losses, without that of features, without the adversarial one, with pixels alone."""
    without = {
        "no feature loss": settings.but(feature=0.0),
        "no adversarial loss": settings.but(adversarial=0.0),
        "pixels alone": settings.but(feature=0.0, adversarial=0.0),
    }
    together, *others = trained.all([settings, *without.values()], seeds)
    test = trained.material.test
    whole, rows = scored(together, test, plan), lines("all losses", together, test, plan)
    for name, models in zip(without, others, strict=True):
        found = scored(models, test, plan)
        rows += rows_of(name, found, plan.draws, decoder=name)
        rows += differences(f"all losses − {name}", found, whole, plan.draws)
    return Table(rows, examples({name: models[0] for name, models in zip(without, others, strict=True)}, test))


def amount(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Trained on the first runs alone, so many of them."""
    variants = [settings.but(share=share) for share in plan.shares]
    train, rows = trained.material.train, []
    for share, models in zip(plan.shares, trained.all(variants, seeds), strict=True):
        part = train.first_runs(share)
        facts = {"share": share, "runs": len(np.unique(part.run)), "frames": len(part)}
        rows += rows_of(f"{share:g} of the runs", scored(models, trained.material.test, plan), plan.draws, **facts)
    return Table(rows)


def synthetic(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Given what lies under each voxel's pixel: could the network work at all; beside what it makes of voxels."""
    told, own = trained.all([settings.but(synthetic=True), settings], seeds)
    test = trained.material.test
    rows = lines("brightness under each pixel", told, test, plan) + lines("voxels", own, test, plan)
    return Table(rows, examples({"brightness": told[0], "voxels": own[0]}, test))


def places(trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> Table:
    """Voxels where they look, where another voxel looks, and with what is learnt added; all less the first."""
    variants = {
        FIXED: settings.but(network="fixed"),
        "shuffled places": settings.but(network="fixed", placed="shuffled"),
        LEARNED: settings.but(network="learned"),
        "LearnedRF, shuffled places": settings.but(network="learned", placed="shuffled"),
    }
    models = dict(zip(variants, trained.all(list(variants.values()), seeds), strict=True))
    test, rows = trained.material.test, []
    found = {name: scored(each, test, plan) for name, each in models.items()}
    for name, each in found.items():
        rows += rows_of(name, each, plan.draws, decoder=name)
    for name in list(variants)[1:]:
        rows += differences(f"{FIXED} − {name}", found[name], found[FIXED], plan.draws)
    return Table(rows, examples({name: each[0] for name, each in models.items()}, test))


def scored(models: Sequence[Fitted], test: Movie, plan: Plan) -> list[Scores]:
    """Scores of networks that differ in their seed."""
    return [plan.score(Beside(fitted.predict(test), test.shown(), test.shot)) for fitted in models]


def lines(label: str, models: Sequence[Fitted], test: Movie, plan: Plan) -> list[Row]:
    """Lines of networks that differ in their seed."""
    return rows_of(label, scored(models, test, plan), plan.draws, decoder=label, **costs(models))


def mean_of(trained: Trained, plan: Plan) -> Scores:
    """Scores of the mean frame of training: what can be said without the voxels."""
    test = trained.material.test
    mean = np.broadcast_to(trained.material.train.mean_frame(), (len(test), *test.out_shape))
    return plan.score(Beside(mean, test.shown(), test.shot))


def costs(models: Sequence[Fitted]) -> Row:
    """Parameters, epochs kept and seconds trained, mean over seeds, and through what the feature loss looked."""
    histories = [fitted.history for fitted in models]
    return {
        "parameters": sum(each.numel() for each in models[0].model.parameters()),
        "epoch": float(np.mean([history.best + 1 for history in histories])),
        "training_s": float(np.mean([history.seconds for history in histories])),
        "trained_with": models[0].note,
    }


def some(test: Movie) -> NDArray[np.intp]:
    """Rows of a few frames, evenly spread."""
    return np.unique(np.linspace(0, len(test) - 1, N_EXAMPLES).round().astype(np.intp))


def examples(models: Mapping[str, Fitted], test: Movie) -> dict[str, Array]:
    """A few frames as shown and as each network paints them: ``(n, height, width, 3)``."""
    few = test[some(test)]
    arrays = {SHOWN: few.shown().transpose(0, 2, 3, 1)}
    return arrays | {name: fitted.predict(few).transpose(0, 2, 3, 1) for name, fitted in models.items()}
