"""What a contract says of its runner: which kind, what is missing, and that older bundles still say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from streamkit.bundle import load_bundle, read_contract
from streamkit.bundle.manifest import canonical, sha256
from streamkit.errors import BackendError, BundleError
from streamkit.inference import AnyRunnerConfig, RunnerConfig, open_runner
from streamkit.inference.runners import (
    DiffusionConfig,
    FeedForwardConfig,
    IterativeConfig,
    RetrievalConfig,
    RunnerSettings,
)
from streamkit.inference.runners.noise import signal_left
from streamkit.types import OutputSpec
from tests import runner_graphs as small

ANY: TypeAdapter[RunnerSettings] = TypeAdapter(AnyRunnerConfig)
SIGNAL = signal_left("linear", 1000, 1e-4, 0.02)
TEMPLATES = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
DENOISER = small.denoiser(6, SIGNAL)

CONFIGS = [
    FeedForwardConfig(),
    FeedForwardConfig(graph="net", state={"total": "next"}, initial={"total": "begin"}, answer="scores"),
    IterativeConfig(state={"image": "next"}, max_steps=300, budget_ms=40.0, min_steps=3, start={"image": "noise"}),
    RetrievalConfig(metric="dot", temperature=0.07),
    DiffusionConfig(condition="condition", decoder="painter", guidance=5.0, schedule="cosine", sampler="ddpm"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_a_runner_is_read_as_it_was_written(config: RunnerSettings) -> None:
    assert ANY.validate_python(config) is config
    assert ANY.validate_json(json.dumps(config.model_dump(mode="json"))) == config
    contract = small.contract(config, small.SCORES)
    again = type(contract).model_validate_json(contract.model_dump_json())
    assert again.runner == config
    assert type(again.runner) is type(config)


@pytest.mark.parametrize("said", [{}, {"graph": "decoder"}, {"kind": "feedforward"}])
def test_a_runner_without_a_kind_is_feedforward(said: dict[str, str]) -> None:
    assert ANY.validate_python(said) == RunnerConfig(graph="decoder") == FeedForwardConfig()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValidationError, match=r"'oracle'.*'feedforward', 'iterative', 'retrieval', 'diffusion'"):
        ANY.validate_python({"kind": "oracle"})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "feedforward", "steps": 3}, "Extra inputs"),
        ({"kind": "iterative", "max_steps": 3}, "state"),
        ({"kind": "iterative", "max_steps": 3, "state": {}}, "at least 1 item"),
        ({"kind": "iterative", "state": {"a": "b"}, "max_steps": 2, "min_steps": 3}, "min_steps is 3, more than max"),
        ({"kind": "iterative", "state": {"a": "b"}, "max_steps": 2, "start": {"c": "noise"}}, "'c', which is no state"),
        (
            {"kind": "iterative", "state": {"a": "b"}, "max_steps": 2, "start": {"a": "noise"}, "initial": {"a": "t"}},
            "noise and an initial value",
        ),
        ({"kind": "diffusion", "steps": 2000}, "more than train_steps"),
        ({"kind": "diffusion", "sampler": "ddpm", "eta": 0.5}, "belongs to sampler 'ddim'"),
        ({"kind": "diffusion", "unconditional": "zero"}, "with guidance only"),
        ({"kind": "retrieval", "temperature": 0}, "greater than 0"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ANY.validate_python(said)


def test_a_toml_contract_without_a_kind_is_read(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    lines = ['stream = {ch_names = ["a"], sfreq = 100.0}', 'window = {mode = "hop", n_times = 5, hop = 5}']
    lines += ['output = {kind = "values", labels = ["x"], shape = [1]}', "[runner]", 'graph = "mine"']
    file.write_text("\n".join(lines))
    assert read_contract(file).runner == FeedForwardConfig(graph="mine")


def test_a_bundle_of_format_1_opens_its_runner(tmp_path: Path) -> None:
    made = small.bundle(tmp_path / "new", {"decoder": small.encoder()}, RunnerConfig(), five())
    x = small.windows(1)
    answer = made.open_runner(small.ORT).infer(x)
    manifest = made.path / "bundle.json"
    document = json.loads(manifest.read_text())
    document["format"] = 1
    document["contract"]["runner"] = {"kind": "feedforward", "graph": "decoder"}
    entry = document["graphs"]["decoder"]
    entry["input"], entry["output"] = entry.pop("inputs")[0], entry.pop("outputs")[0]
    del entry["reduced"], document["hash"]
    document["hash"] = sha256(canonical(document))
    manifest.write_bytes(canonical(document))
    np.testing.assert_array_equal(load_bundle(made.path).open_runner(small.ORT).infer(x), answer)


def five() -> OutputSpec:
    return OutputSpec(kind="values", labels=tuple("abcde"), shape=(5,))


def tensor(*shape: int, value: float = 1.0, dtype: type = np.float32) -> dict[str, np.ndarray]:
    return {"t": np.full(shape, value, dtype)}


WITH_STATE = {"total": "next"}
ONE_IMAGE = {"image": "next"}
AROUND = {"condition": "condition", "decoder": "painter"}
GUIDED = {**AROUND, "guidance": 2.0, "unconditional": "t"}
ALL = {
    "leaky": small.leaky(),
    "step": small.descent(),
    "encoder": small.encoder(),
    "denoiser": DENOISER,
    "condition": small.condition(6),
    "wide": small.condition(8),
    "painter": small.painter(6),
}


def leaky(**settings: Any) -> FeedForwardConfig:
    return FeedForwardConfig(graph="leaky", **settings)


def retrieval(**settings: Any) -> RetrievalConfig:
    return RetrievalConfig(templates="t", **settings)


IMAGE_OF_6 = OutputSpec(kind="values", labels=tuple("abcdef"), shape=(6,))
PROBLEMS: list[tuple[RunnerSettings, OutputSpec, dict[str, np.ndarray], str]] = [
    (FeedForwardConfig(graph="other"), small.SCORES, {}, r"needs graph 'other', there are \['condition'"),
    (leaky(), small.SCORES, {}, r"takes \['window', 'total'\].*is no state: name in"),
    (leaky(state={"total": "sum"}), small.SCORES, {}, r"no output 'sum' for"),
    (leaky(state={"mean": "next"}), small.SCORES, {}, "has no input 'mean'"),
    (leaky(state={"total": "scores"}), small.SCORES, {}, r"but output 'scores'"),
    (leaky(state=WITH_STATE, answer="sum"), small.SCORES, {}, "no output 'sum' for"),
    (leaky(state=WITH_STATE, answer="next"), small.SCORES, {}, r"gives \(batch, 4\), the"),
    (leaky(state={"window": "next"}), small.SCORES, {}, r"'window' is float32"),
    (
        leaky(state=WITH_STATE, initial={"total": "t"}),
        small.SCORES,
        {},
        r"needs tensor 't', there are \[\]: write the bundle with it",
    ),
    (
        leaky(state=WITH_STATE, initial={"window": "t"}),
        small.SCORES,
        tensor(1, 4),
        "initial value to 'window', which is no state",
    ),
    (
        leaky(state=WITH_STATE, initial={"total": "t"}),
        small.SCORES,
        tensor(4),
        r"tensor 't' is float32 of shape \(4,\), expected float32 of shape \(1, 4\)",
    ),
    (
        leaky(state=WITH_STATE, initial={"total": "t"}),
        small.SCORES,
        tensor(1, 4, value=np.nan),
        "'t' holds values that are not finite",
    ),
    (IterativeConfig(state=ONE_IMAGE, max_steps=2), five(), {}, r"gives \(batch, 1, 2, 3\), the contract"),
    (IterativeConfig(state={"window": "next"}, max_steps=2), small.IMAGE, {}, "state input 'window'"),
    (IterativeConfig(graph="encoder", state={"window": "features"}, max_steps=2), five(), {}, "state input 'window'"),
    (retrieval(), small.SCORES, {}, "needs tensor 't'"),
    (retrieval(), small.SCORES, tensor(2, 4), r"\(2, 4\), expected float32 of shape \(any, 5\)"),
    (retrieval(), small.SCORES, tensor(2, 5, dtype=np.float64), "is float64 of shape"),
    (retrieval(), small.SCORES, tensor(3, 5), r"has 3 templates, the contract's .* \(2,\)"),
    (retrieval(), small.SCORES, tensor(2, 5, value=np.inf), "not finite"),
    (retrieval(), small.SCORES, tensor(2, 5, value=0.0), r"template 0 is all zeros"),
    (retrieval(graph="painter"), small.SCORES, tensor(2, 5), r"takes float32 \(batch, 6\)"),
    (retrieval(graph="leaky"), small.SCORES, tensor(2, 5), r"takes 2 inputs \(window, total\)"),
    (DiffusionConfig(condition="nobody"), small.IMAGE, {}, "needs graph 'nobody'"),
    (DiffusionConfig(sample="x", **AROUND), small.IMAGE, {}, r"takes \['sample', .*, expected a noisy"),
    (DiffusionConfig(decoder="painter"), small.IMAGE, {}, r"\(batch, 6\), the contract makes windows"),
    (DiffusionConfig(condition="wide"), IMAGE_OF_6, {}, r"but graph 'wide' has float32 \(batch, 8\)"),
    (DiffusionConfig(condition="condition"), small.IMAGE, {}, r"gives \(batch, 6\), the contract"),
    (DiffusionConfig(**AROUND), five(), {}, r"graph 'painter' gives \(batch, 1, 2, 3\)"),
    (DiffusionConfig(condition="condition", decoder="encoder"), five(), {}, r"graph 'encoder' takes float32"),
    (DiffusionConfig(**GUIDED), small.IMAGE, tensor(1, 5), r"expected float32 of shape \(1, 6\)"),
]


@pytest.mark.parametrize(("config", "output", "tensors", "words"), PROBLEMS)
def test_what_does_not_fit_is_said_when_a_bundle_is_made(
    config: RunnerSettings, output: OutputSpec, tensors: dict[str, np.ndarray], words: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=words) as caught:
        small.bundle(tmp_path / "bundle", ALL, config, output, tensors)
    assert str(caught.value).startswith(f"{tmp_path / 'bundle'}: ")
    assert not (tmp_path / "bundle").exists()


def test_what_does_not_fit_is_said_when_a_runner_is_opened(tmp_path: Path) -> None:
    graphs = {"encoder": small.graph(tmp_path, "encoder", small.encoder())}
    with pytest.raises(BackendError, match="needs tensor 'templates', there are"):
        open_runner(RetrievalConfig(), graphs, {"encoder": small.reference(small.encoder())}, small.SCORES)


def test_a_noisy_beginning_is_for_fractions_only(tmp_path: Path) -> None:
    content = small.model(
        [("Add", ["count", "one"], ["next"]), ("Flatten", ["window"], ["flat"])],
        {"window": (4, 20), "count": (1,)},
        {"flat": (80,), "next": (1,)},
        {"one": np.array([[1]], np.int64)},
        count="int64",
        next="int64",
    )
    config = IterativeConfig(state={"count": "next"}, max_steps=2, start={"count": "noise"})
    output = OutputSpec(kind="values", labels=tuple(map(str, range(80))), shape=(80,))
    with pytest.raises(BundleError, match="'count' is int64 and cannot begin with noise"):
        small.bundle(tmp_path / "bundle", {"step": content}, config, output)
    counting = config.model_copy(update={"start": {}})
    runner = small.bundle(tmp_path / "bundle", {"step": content}, counting, output).open_runner(small.ORT)
    x = small.windows(1)
    np.testing.assert_array_equal(runner.infer(x), x.ravel())


def test_one_wish_is_settled_by_the_graph_that_takes_longest(tmp_path: Path) -> None:
    made = small.bundle(tmp_path / "bundle", ALL, DiffusionConfig(steps=3, **AROUND), small.IMAGE)
    runner = made.open_runner(small.ORT)
    assert list(runner.choices) == ["denoiser", "condition", "painter"]
    assert {choice.name for choice in runner.choices.values()} == {runner.backend} == {"onnxruntime"}
    wishes = {name: choice.wish for name, choice in runner.choices.items()}
    assert made.open_runner(wishes).choices.keys() == runner.choices.keys()


def test_a_graph_that_cannot_be_opened_closes_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit.inference.onnxruntime_backend import OnnxRuntimeBackend

    made = small.bundle(tmp_path / "bundle", ALL, DiffusionConfig(steps=3, **AROUND), small.IMAGE)
    closed = []
    close = OnnxRuntimeBackend.close
    monkeypatch.setattr(OnnxRuntimeBackend, "close", lambda self: (closed.append(self), close(self)))
    references = made.references() | {"painter": (np.ones((1, 6), np.float32), np.ones((1, 1, 2, 3), np.float32))}
    with pytest.raises(BackendError, match="failed its proof"):
        open_runner(made.contract.runner, made.graphs, references, small.IMAGE, small.ORT, strict=True)
    assert len({id(backend) for backend in closed}) == 3


def test_a_closed_runner_answers_no_more(tmp_path: Path) -> None:
    made = small.bundle(tmp_path / "bundle", {"decoder": small.encoder()}, RunnerConfig(), five())
    runner = made.open_runner(small.ORT)
    runner.close()
    runner.close()
    with pytest.raises(BackendError, match="is not open"):
        runner.infer(runner.buffer)
