"""What the pages in docs/ say is what the code has."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from apps.view.environment import NEEDED, NEEDED_ON_SCREEN
from calibration.recipe import Recipe, shipped_recipes
from calibration.sections import AlsoSection
from streamkit.bundle import Contract, EncodingSpec, Metric, Provenance, load_bundle, read_contract
from streamkit.inference import AnyRunnerConfig
from streamkit.ledger import STAGES
from streamkit.lsl import wire
from streamkit.lsl.epochs import FACTS, MEASURES
from streamkit.lsl.health import State
from streamkit.lsl.outlet import decision
from streamkit.preprocess import SideStream
from streamkit.preprocess.config import StageConfig
from streamkit.types import OutputSpec, Prediction
from tests.small import linear_onnx

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "examples" / "README.md"]
SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Recipe.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
STAGE_KINDS = {model.model_fields["kind"].default: model for model in get_args(get_args(StageConfig)[0])}


RUNNER_MODELS = [get_args(tagged)[0] for tagged in get_args(get_args(AnyRunnerConfig)[0])]
RUNNER_KINDS = {model.model_fields["kind"].default: model for model in RUNNER_MODELS}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str) -> dict[str, list[str]]:
    """First cell of each table row → the others."""
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in cells}


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default_factory is None else field.default_factory()  # type: ignore[call-arg]
    return "none" if value is None else f"`{json.dumps(value)}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_a_recipe_is_explained_with_its_default(section: str) -> None:
    part = page("calibration.md").split(f"### `[{section}]`")[1].split("\n#")[0]
    expected = {f"`{key}`": default_of(field) for key, field in SECTIONS[section].model_fields.items()}
    assert {key: cells[0] for key, cells in rows(part).items() if key.startswith("`")} == expected


def test_every_table_of_a_recipe_is_explained() -> None:
    plain = {key for key in Recipe.model_fields if key not in SECTIONS}
    top = rows(page("calibration.md").split("### top level")[1].split("###")[0])
    assert {f"`{key}`" for key in plain} <= set(top)


def test_every_key_of_a_side_stream_is_explained() -> None:
    part = page("calibration.md").split("### `[[also]]`")[1].split("\n#")[0]
    assert {f"`{key}`" for key in AlsoSection.model_fields} <= set(rows(part))


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_every_option_of_a_stage_is_explained(kind: str) -> None:
    options = rows(page("preprocessing.md"))[f"`{kind}`"][0]
    assert [key for key in STAGE_KINDS[kind].model_fields if key != "kind" and f"`{key}`" not in options] == []


def contract_text() -> str:
    return page("bundle.md").split("<!-- contract -->\n```toml\n")[1].split("```")[0]


def runner_texts() -> dict[str, str]:
    """Contents of the table ``runner`` in each example, by kind."""
    texts = [part.split("```")[0] for part in page("bundle.md").split("<!-- runner -->\n```toml\n")[1:]]
    return {tomllib.loads(text)["runner"]["kind"]: text for text in texts}


@pytest.mark.parametrize("kind", RUNNER_KINDS)
def test_every_runner_has_an_example_with_all_its_keys(kind: str) -> None:
    said = tomllib.loads(runner_texts()[kind])["runner"]
    assert isinstance(TypeAdapter(AnyRunnerConfig).validate_python(said), RUNNER_KINDS[kind])
    part = page("bundle.md").split(f"\n### {kind}\n")[1].split("\n#")[0]
    assert [key for key in RUNNER_KINDS[kind].model_fields if not re.search(rf"\b{key}\b", part)] == []


def test_the_encoding_that_is_shown_is_one() -> None:
    text = page("bundle.md").split("<!-- encoding -->\n```toml\n")[1].split("```")[0]
    found = EncodingSpec.model_validate(tomllib.loads(text)["encoding"])
    assert set(tomllib.loads(text)["encoding"]) == set(EncodingSpec.model_fields)
    assert found.window.n_times == 62


@pytest.mark.parametrize("text", [contract_text(), (ROOT / "examples" / "contract.toml").read_text()])
def test_the_contract_that_is_shown_packs(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.cli import main

    (tmp_path / "contract.toml").write_text(text)
    (tmp_path / "model.onnx").write_bytes(linear_onnx(3, 250, 2))
    with pytest.raises(SystemExit) as ended:
        main(["pack", str(tmp_path / "model.onnx"), str(tmp_path / "contract.toml"), "--out", str(tmp_path / "mine")])
    assert ended.value.code == 0
    assert load_bundle(tmp_path / "mine").contract == read_contract(tmp_path / "contract.toml")


def test_every_field_of_a_bundle_is_named() -> None:
    text = page("bundle.md")
    parts: list[type[Any]] = [Contract, Metric, Provenance, SideStream]
    fields = Contract.model_fields.items()
    plain = ("also", "runner", "encoding", "gallery")
    parts += [f.annotation for name, f in fields if name not in plain]  # type: ignore[misc]
    parts += [EncodingSpec, *RUNNER_KINDS.values()]
    missing = [f for part in parts for f in part.model_fields if not re.search(rf"\b{f}\b", text)]
    assert missing == []


def test_every_fact_on_the_wire_is_explained() -> None:
    text = page("streams.md")
    image = OutputSpec(kind="image", shape=(1, 2, 2))
    said = decision(Prediction(values=np.zeros((1, 2, 2)), stamp=0.0, last=0, seq=0), image)
    kinds = (wire.PREDICTION, wire.DECISIONS, wire.LATENCY, wire.HEALTH, wire.SHOWN)
    kinds += (wire.PREDICTED, wire.RECORDED, wire.ENCODING, wire.CANDIDATES)
    words = [*wire.output_keys(image), *said, *STAGES, *get_args(State), *(f"NAME-{kind}" for kind in kinds)]
    words += ["simulated", "bundle", "hash", "backend", "target", "sfreq", "n_times", "tmin", *FACTS]
    words += [f"{measure} CHANNEL" for measure in MEASURES]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_debian_package_is_named() -> None:
    assert [name for name in (*NEEDED, *NEEDED_ON_SCREEN) if name not in page("view.md")] == []


def test_every_network_and_recipe_is_named() -> None:
    names = [*(point.name for point in entry_points(group="streamkit.models")), *shipped_recipes()]
    assert [name for name in names if f"`{name}`" not in page("models.md")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = page("README.md")
    assert [p.name for p in DOCS.glob("*.md") if p.name != "README.md" and f"({p.name})" not in index] == []
