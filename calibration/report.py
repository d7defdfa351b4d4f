"""The report of a calibration or an evaluation: one HTML page with its figures beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration import plots
from calibration.evaluate import Answers, Evaluation
from calibration.made import Made
from calibration.metrics import Score
from calibration.recipe import Recipe
from calibration.train import History
from streamkit.bundle import ModelBundle
from streamkit.errors import require

MOST_CLASSES = 20
"""Of more, no table says anything."""

TEMPLATES = Path(__file__).parent / "templates"


def write_report(made: Made, recipe: Recipe) -> Path:
    """Write ``index.html`` and its figures into the folder ``report`` of the bundle; returns the page."""
    bundle, history, training = made.bundle, made.fitted.history, made.examples
    folder = bundle.path / "report"
    folder.mkdir(parents=True, exist_ok=True)
    output, figures = bundle.contract.output, []
    if made.scores or made.cross_validation:
        figures.append(("Scores", save_scores(folder, made.scores or made.cross_validation)))
    if made.answers is not None:
        figures.append(("Held-out answers", save_answers(folder, made.answers, output)))
    if made.agreement is not None:
        names = bundle.contract.processed.ch_names
        drawn = plots.channels_figure(names, made.agreement)
        figures.append(("Held-out epochs, predicted against recorded", plots.save(drawn, folder / "encoding.png")))
    if history is not None:
        figures.append(("Training", plots.save(plots.training_figure(history), folder / "training.png")))
    if recipe.target.kind == "class" and training.X.shape[2] > 1:
        names = bundle.contract.processed.ch_names
        drawn = plots.class_means_figure(training, output, names, made.sfreq, recipe.window.tmin)
        figures.append(("Class means of the training windows", plots.save(drawn, folder / "class-means.png")))
    facts = {
        "Trained on": ", ".join(bundle.provenance.trained_on),
        "Held out": ", ".join(bundle.provenance.held_out) or "nothing",
        "Windows": f"{len(training)} to train on; {bundle.provenance.note}",
        "Left out": ", ".join(f"{n} with {why}" for why, n in training.left_out.items()) or "none",
        "Model": f"{recipe.model.name} {json.dumps(recipe.model.args)}, {recipe.train.method}",
        "Training": _ended(history),
        "Export": f"ONNX differs from torch by at most {made.parity:.1e}",
        "Seed": str(recipe.train.seed),
        "Bundle": bundle.hash,
    }
    title = f"Calibration: {recipe.name}"
    return _page(folder, bundle, title, made.scores, made.cross_validation, figures, facts)


def write_evaluation(folder: Path, evaluation: Evaluation, bundle: ModelBundle, names: Sequence[str]) -> Path:
    """Write the report of an evaluation into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = [
        ("Scores", save_scores(folder, evaluation.scores)),
        ("Answers", save_answers(folder, evaluation.answers, evaluation.output)),
    ]
    facts = {
        "Recordings": ", ".join(names),
        "Windows": ", ".join(f"{n} {what}" for what, n in evaluation.counts.items()),
        "Backend": evaluation.backend,
        "Bundle": bundle.hash,
    }
    return _page(folder, bundle, f"Evaluation: {bundle.path.name}", evaluation.scores, (), figures, facts)


def save_scores(folder: Path, scores: Sequence[Score]) -> Path:
    """Draw the scores."""
    return plots.save(plots.scores_figure(scores), folder / "scores.png")


def save_answers(folder: Path, answers: Answers, output: Any) -> Path:
    """Draw answers beside truth, as fits the kind of output."""
    if output.kind == "image":
        drawn = plots.images_figure(answers)
    elif output.kind == "values":
        drawn = plots.signals_figure(answers, output)
    elif len(output.labels) > MOST_CLASSES:
        drawn = plots.retrieval_figure(answers)
    else:
        drawn = plots.classes_figure(answers, output)
    return plots.save(drawn, folder / "answers.png")


def _ended(history: History | None) -> str:
    if history is None:
        return "solved in closed form"
    kept = f"the weights of epoch {history.best + 1} kept"
    return f"{len(history.train)} epochs in {history.seconds:.0f} s, {kept}: {history.stopped}"


def _page(
    folder: Path,
    bundle: ModelBundle,
    title: str,
    scores: Sequence[Score],
    cross_validation: Sequence[Score],
    figures: Sequence[tuple[str, Path]],
    facts: dict[str, str],
) -> Path:
    page = folder / "index.html"
    write_page(
        page,
        "report.html",
        title=title,
        bundle=bundle,
        description=bundle.provenance.recipe.get("description", ""),
        scores=scores,
        cross_validation=cross_validation,
        figures=[(caption, path.name) for caption, path in figures],
        facts=facts,
        stages=[_stage(stage) for stage in bundle.contract.preprocess.stages],
        window=bundle.contract.window.model_dump(exclude_none=True),
    )
    return page


def write_page(page: Path, template: str, **values: Any) -> None:
    """Write an HTML page from one of the templates."""
    jinja2 = require("jinja2", "train", "the report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    page.write_text(environment.get_template(template).render(**values), encoding="utf-8")


def _stage(stage: Any) -> tuple[str, str]:
    settings = stage.model_dump(exclude={"kind"}, exclude_none=True)
    return stage.kind, ", ".join(f"{key} = {_short(value)}" for key, value in settings.items())


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) > 8:
        return f"{len(value)} values"
    return str(value)
