"""A bundle in 8 bits: whose windows set the ranges, what it costs, and when it is not offered at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from calibration import calibrate
from calibration.apart import set_apart
from calibration.datasets import DATASETS
from calibration.effect import Run, check_not_destroyed, compare, worst
from calibration.evaluate import recipe_of
from calibration.int8 import METHODS, misfit, outputs_of, quantise, sums_bytes_exactly
from calibration.listen import Listener, listen
from calibration.metrics import Draws, Score, auc, score_classes
from calibration.quantize import Quantized, quantize
from calibration.recipe import recipe_from
from calibration.small import CEILING, MARGIN, tolerance_for
from calibration.windows import examples_of
from streamkit.bundle import Effect, ModelBundle, Provenance, load_bundle
from streamkit.bundle.manifest import read_manifest
from streamkit.errors import BackendError, BundleError, CheckFailed, ConfigError, RecordingError
from streamkit.inference import Graph, Settings, TensorSpec, open_backend
from streamkit.inference.graph import Reduced
from streamkit.inference.proof import open_proven
from streamkit.recording import Recording, write_recording
from tests.calibration import toy
from tests.command_line import run

QUICK = {"calls": 2, "cadence": 0.0}
RUNTIMES = ("openvino", "onnxruntime")


@pytest.fixture(scope="module", autouse=True)
def toy_dataset():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "toy", toy.TOY)
        yield


def made(path: Path, **sections: dict) -> ModelBundle:
    return calibrate(recipe_from(toy.document(**sections), "test"), None, path).bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return made(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture(scope="module")
def result(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    return quantize(bundle, recordings(), tmp_path_factory.mktemp("int8") / "bundle", **QUICK)


def recordings(*groups: int) -> list[Recording]:
    return [toy.recording(group, toy.ToyOptions()) for group in groups or range(4)]


def louder(recording: Recording, factor: float, rows: slice = slice(None), **meta: str) -> Recording:
    """The same recording with some of its samples multiplied."""
    signal = recording.signals[0]
    data = signal.data.copy()
    data[rows] *= factor
    described = recording.meta.model_copy(update=meta)
    return replace(recording, signals=(replace(signal, data=data),), meta=described)


# Who sets ranges


def test_ranges_are_set_by_the_windows_that_training_saw(bundle: ModelBundle) -> None:
    recipe = recipe_of(bundle)
    heard = listen(bundle, recordings(0, 1, 2), recipe, n=1000)
    contract = bundle.contract
    examples = examples_of(recordings(0, 1, 2), contract.stream, contract.preprocess, recipe)
    np.testing.assert_array_equal(heard.inputs["decoder"][0], examples.X)
    assert heard.windows == len(examples) == 120


def test_what_measures_sets_no_range(bundle: ModelBundle, result: Quantized, tmp_path: Path) -> None:
    *setting, measuring = recordings()
    poisoned = quantize(bundle, [*setting, louder(measuring, 3.0)], tmp_path / "poisoned", **QUICK)
    assert poisoned.graphs["decoder"].onnx == result.graphs["decoder"].onnx
    assert poisoned.stated != result.stated
    louder_ranges = quantize(bundle, [louder(setting[0], 3.0), *setting[1:], measuring], tmp_path / "other", **QUICK)
    assert louder_ranges.graphs["decoder"].onnx != result.graphs["decoder"].onnx


def test_windows_that_training_left_out_set_no_range(tmp_path: Path) -> None:
    bundle = made(tmp_path / "bundle", train={"reject": 4.0})
    heard = listen(bundle, recordings(0, 1, 2), recipe_of(bundle), n=1000)
    assert np.abs(heard.inputs["decoder"][0]).max() <= 4.0
    assert heard.left_out["larger than train.reject"] + heard.windows == 120


def test_no_window_at_all_is_told(bundle: ModelBundle) -> None:
    recipe = recipe_of(bundle)
    strict = recipe.model_copy(update={"train": recipe.train.model_copy(update={"reject": 1e-6})})
    with pytest.raises(RecordingError, match="no window can set ranges in toy-0; left out"):
        listen(bundle, recordings(0), strict, n=8)


class Doubler:
    name, buffers, closed = "doubler", (), False

    def run(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(2 * x for x in arrays)

    def close(self) -> None:
        self.closed = True


def test_a_listener_answers_like_its_backend_and_keeps_a_draw_of_what_it_was_given() -> None:
    inner = Doubler()
    listener = Listener(inner, 50, seed=0)
    for k in range(400):
        x = np.full((1, 2), float(k))
        assert listener.infer(x)[0, 0] == 2 * k
        x += 1e6  # what is kept is not the caller's array
    (kept,) = listener.heard()
    assert kept.shape == (50, 2)
    assert len(np.unique(kept[:, 0])) == 50
    assert 120 < kept[:, 0].mean() < 280  # neither the first nor the last: 200 is expected
    listener.close()
    assert inner.closed


# Who measures


def with_groups(bundle: ModelBundle, trained: tuple[str, ...], held: tuple[str, ...]) -> ModelBundle:
    return replace(bundle, provenance=Provenance(trained_on=trained, held_out=held))


def test_without_evaluate_the_groups_that_were_held_out_measure(bundle: ModelBundle) -> None:
    apart = set_apart(bundle, recordings())
    assert [r.meta.group for r in apart.setting] == ["run-0", "run-1", "run-2"]
    assert [r.meta.group for r in apart.measuring] == ["run-3"]
    assert apart.warnings == ()


@pytest.mark.parametrize(
    ("given", "measuring", "reason"),
    [
        ((0, 1), (2,), "toy-2 cannot measure the effect, for the bundle was trained on its group 'run-2'"),
        ((0, 3), (3,), "toy-3 cannot measure the effect, for toy-3 of its group 'run-3' sets the ranges"),
        ((0, 1, 2), (), r"nothing measures the effect: none of the recordings \(toy-0, toy-1, toy-2\)"),
        ((3,), (), r"nothing sets the ranges: all recordings \(toy-3\) are of groups that the bundle holds out"),
    ],
)
def test_recordings_of_the_wrong_group_are_refused_in_a_sentence(
    bundle: ModelBundle, given: tuple[int, ...], measuring: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        set_apart(bundle, recordings(*given), recordings(*measuring) if measuring else ())


def test_the_same_samples_under_another_name_are_refused(bundle: ModelBundle) -> None:
    disguised = louder(recordings(0)[0], 1.0, name="other", group="run-9")
    with pytest.raises(ConfigError, match=r"other cannot measure the effect, for toy-0, .* holds the same samples"):
        set_apart(bundle, recordings(0), [disguised])


@pytest.mark.parametrize(
    ("trained", "held", "warning"),
    [
        ((), (), "does not say what it was trained on"),
        (("run-1",), ("run-0", "run-3"), "group run-0, which the bundle holds out, sets ranges"),
        (("run-0", "run-1"), ("run-2",), "the bundle does not know group run-3, which is taken for unseen"),
    ],
)
def test_what_weakens_the_measurement_is_said(
    bundle: ModelBundle, trained: tuple[str, ...], held: tuple[str, ...], warning: str
) -> None:
    apart = set_apart(with_groups(bundle, trained, held), recordings(0, 1), recordings(3))
    assert warning in " ".join(apart.warnings)


# What it costs


def scored(value: float, boot: np.ndarray) -> Score:
    return Score("auc", value, 0.5, (0.0, 1.0), 0.01, 40, boot=boot)


def test_the_interval_of_a_difference_is_that_of_pairs() -> None:
    boot = np.linspace(0.0, 1.0, 101)  # alone, each score could be anything
    shift = np.linspace(-0.02, 0.0, 101)[::-1]
    (effect,) = compare([scored(0.8, boot)], [scored(0.79, boot + shift)])
    assert effect == Effect(name="auc", full=0.8, reduced=0.79, ci95=effect.ci95, n=40, chance=0.5)
    assert effect.ci95 == pytest.approx((-0.0195, -0.0005))


def test_two_scores_of_one_seed_are_drawn_from_the_same_items() -> None:
    rng = np.random.default_rng(0)
    y, guess = rng.integers(0, 2, 60), rng.standard_normal(60)
    groups, draws = np.array(["one"] * 60), Draws(200, 10, 3)
    first = score_classes("auc", auc, y, guess, groups, 0.5, draws)
    again = score_classes("auc", auc, y, 3 * guess + 1, groups, 0.5, draws)  # the same ranks
    assert compare([first], [again])[0].ci95 == (0.0, 0.0)
    assert np.ptp(first.boot) > 0.1


def test_the_values_of_an_effect_are_those_of_the_two_graphs(bundle: ModelBundle, result: Quantized) -> None:
    effect = next(run for run in result.runs if (run.backend, run.precision) == ("onnxruntime", "int8")).effects[0]
    held = examples_of(recordings(3), bundle.contract.stream, bundle.contract.preprocess, recipe_of(bundle))
    for precision, value in (("float32", effect.full), ("int8", effect.reduced)):
        with open_backend("onnxruntime", result.bundle.graphs["decoder"], Settings(precision=precision)) as opened:
            answers = np.concatenate([opened.infer(x[None]) for x in held.X])
        assert value == pytest.approx(auc(held.y, answers[:, 1] - answers[:, 0]), abs=1e-12)
    assert (effect.name, effect.n, effect.chance) == ("auc", 40, 0.5)


def _file(result: Quantized) -> Path:
    return result.bundle.path / "decoder.int8.onnx"


@pytest.mark.parametrize(
    ("full", "reduced", "ci95", "destroyed"),
    [
        (0.8, 0.78, (-0.03, -0.01), False),  # a fifteenth of what it had
        (0.8, 0.6, (-0.3, -0.1), True),  # two thirds
        (0.8, 0.6, (-0.5, 0.1), False),  # as likely by chance
        (0.5, 0.3, (-0.3, -0.1), False),  # it had nothing
        (0.8, float("nan"), (0.0, 0.0), True),
    ],
)
def test_a_network_that_lost_what_it_had_is_refused(
    full: float, reduced: float, ci95: tuple[float, float], destroyed: bool
) -> None:
    effect = Effect(name="auc", full=full, reduced=reduced, ci95=ci95, n=40, chance=0.5)
    if destroyed:
        with pytest.raises(CheckFailed, match=r"int8 destroys this network: auc falls from 0.800"):
            check_not_destroyed([effect])
    else:
        check_not_destroyed([effect])


def test_ranges_set_by_one_huge_sample_destroy_the_network(bundle: ModelBundle, tmp_path: Path) -> None:
    *setting, measuring = recordings()
    spoilt = [louder(setting[0], 1e6, slice(60, 61)), *setting[1:]]
    with pytest.raises(CheckFailed, match=r"outputs of graph 'decoder' are off by .* no bundle was written"):
        quantize(bundle, spoilt, tmp_path / "out", [measuring], method="minmax", **QUICK)
    assert not (tmp_path / "out").exists()


def test_the_tolerance_is_the_measured_error_with_a_margin_and_never_above_the_ceiling() -> None:
    assert tolerance_for("decoder", {"openvino": 0.02, "onnxruntime": 0.01}) == pytest.approx(0.02 * MARGIN)
    assert tolerance_for("decoder", {"openvino": 0.0}) == 0.01
    for hopeless in (CEILING / MARGIN * 1.01, float("nan")):
        with pytest.raises(CheckFailed, match="are off by"):
            tolerance_for("decoder", {"openvino": hopeless})


def test_the_worse_runtime_is_stated() -> None:
    def run_of(backend: str, reduced: float) -> Run:
        return Run(backend, "int8", 0.01, (Effect(name="auc", full=0.8, reduced=reduced, ci95=(0, 0), n=9),))

    full = Run("openvino", "float32", 0.0)
    assert worst([full, run_of("openvino", 0.79), run_of("onnxruntime", 0.77)])[0].reduced == 0.77


def test_the_misfit_is_a_share_of_what_the_outputs_vary() -> None:
    full = (np.array([[1.0, -1.0], [-1.0, 1.0]]),)
    assert misfit(full, full) == 0.0
    assert misfit(full, (full[0] + 0.1,)) == pytest.approx(0.1)


def test_every_method_is_tried_and_the_nearest_taken(result: Quantized) -> None:
    small = result.graphs["decoder"]
    assert set(small.misfits) == set(METHODS)
    assert small.misfits[small.method] == min(small.misfits.values())
    assert small.misfits[small.method] < 0.1


# What is written


def test_the_new_bundle_is_the_old_one_and_int8(bundle: ModelBundle, result: Quantized) -> None:
    written = load_bundle(result.bundle.path)
    assert written.contract == bundle.contract
    assert written.metrics == bundle.metrics
    note = written.provenance.note
    assert written.provenance.model_copy(update={"note": bundle.provenance.note}) == bundle.provenance
    assert "from 120 windows of run-0, run-1, run-2, effect measured on run-3" in note
    for file in ("decoder.onnx", "decoder.safetensors", "reference.safetensors"):
        assert (written.path / file).read_bytes() == (bundle.path / file).read_bytes()
    assert (written.path / "report" / "index.html").is_file()
    entry = read_manifest(written.path).graphs["decoder"].reduced["int8"]
    assert entry.effect == result.stated
    assert entry.tolerance == result.graphs["decoder"].tolerance == written.graphs["decoder"].tolerance("int8")
    assert entry.tolerance <= CEILING


def test_the_bundle_that_was_given_stays_as_it_is(tmp_path: Path) -> None:
    bundle = made(tmp_path / "bundle")
    before = {file: file.read_bytes() for file in bundle.path.rglob("*") if file.is_file()}
    quantize(bundle, recordings(), tmp_path / "int8", method="minmax", **QUICK)
    assert {file: file.read_bytes() for file in bundle.path.rglob("*") if file.is_file()} == before


def test_a_quantised_bundle_can_be_quantised_again(result: Quantized, tmp_path: Path) -> None:
    again = quantize(result.bundle, recordings(), tmp_path / "again", **QUICK)
    assert again.stated == result.stated
    assert again.bundle.graphs["decoder"].tolerance("int8") == result.graphs["decoder"].tolerance


@pytest.mark.parametrize("backend", RUNTIMES)
def test_int8_proves_itself(result: Quantized, backend: str) -> None:
    pytest.importorskip(backend)
    bundle = load_bundle(result.bundle.path)
    graph, reference = bundle.graphs["decoder"], bundle.references()["decoder"]
    opened, error = open_proven(backend, graph, reference, Settings(precision="int8"))
    opened.close()
    assert error == pytest.approx(result.graphs["decoder"].errors[backend], rel=1e-6)
    assert 0 < error <= graph.tolerance("int8")


@pytest.mark.parametrize("backend", RUNTIMES)
def test_another_network_in_its_place_fails_the_proof(result: Quantized, tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    classes = {"2": "bump", "1": "rest"}  # the other way round
    other = made(tmp_path / "other", target={"kind": "class", "classes": classes})
    swapped = quantize(other, recordings(), tmp_path / "other-int8", **QUICK)
    graph = result.bundle.graphs["decoder"]
    impostor = {"int8": Reduced(_file(swapped), graph.tolerance("int8"))}
    with pytest.raises(BackendError, match="failed its proof"):
        open_proven(
            backend,
            replace(graph, reduced=impostor, digests={}),
            result.bundle.references()["decoder"],
            Settings(precision="int8"),
        )


def test_a_file_that_was_exchanged_is_refused(result: Quantized, tmp_path: Path) -> None:
    shutil.copytree(result.bundle.path, tmp_path / "copy")
    (tmp_path / "copy" / "decoder.int8.onnx").write_bytes((tmp_path / "copy" / "decoder.onnx").read_bytes())
    with pytest.raises(BundleError, match=r"decoder\.int8\.onnx"):
        load_bundle(tmp_path / "copy")


def test_weights_of_seven_bits_stay_within_them(bundle: ModelBundle, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    def largest(reduce_range: bool) -> int:
        out = tmp_path / str(reduce_range)
        small = quantize(bundle, recordings(), out, method="minmax", reduce_range=reduce_range, **QUICK)
        tensors = onnx.load_from_string(small.graphs["decoder"].onnx).graph.initializer
        weights = [numpy_helper.to_array(t) for t in tensors if t.data_type == onnx.TensorProto.INT8]
        return max(int(np.abs(w.astype(int)).max()) for w in weights if w.ndim > 1)

    assert largest(True) <= 64 < largest(False)


def convolutions(folder: Path) -> Graph:
    """An ordinary convolution, then one that filters each of 16 channels by itself, 16 samples wide."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {"mix": (16, 4, 1, 1), "filter": (16, 1, 1, 16)}
    nodes = [
        helper.make_node("Conv", ["x", "mix"], ["mixed"]),
        helper.make_node("Conv", ["mixed", "filter"], ["y"], group=16),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 1, 51])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16, 1, 36])],
        [numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), n) for n, shape in weights.items()],
    )
    file = folder / "convolutions.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    spec = TensorSpec(name="x", shape=(None, 4, 1, 51)), TensorSpec(name="y", shape=(None, 16, 1, 36))
    return Graph("decoder", spec[:1], spec[1:], file)


@pytest.mark.parametrize("method", METHODS)
def test_convolutions_of_single_channels_stay_in_float32_and_every_runtime_ends(tmp_path: Path, method: str) -> None:
    import onnx

    graph = convolutions(tmp_path)
    x = np.random.default_rng(1).standard_normal((40, 4, 1, 51)).astype(np.float32)
    small = quantise(graph, (x,), method, reduce_range=False)
    tensors = {tensor.name: tensor for tensor in onnx.load_from_string(small).graph.initializer}
    assert tensors["filter"].data_type == onnx.TensorProto.FLOAT
    assert [t.data_type for name, t in tensors.items() if name.startswith("mix_")].count(onnx.TensorProto.INT8)
    (wanted,) = outputs_of(graph, graph.read(graph.onnx_file()), (x,))
    (tmp_path / "small.onnx").write_bytes(small)
    reduced = replace(graph, reduced={"int8": Reduced(tmp_path / "small.onnx", 0.25)})
    for backend in filter(find_spec, RUNTIMES):
        opened, error = open_proven(backend, reduced, (x, wanted), Settings(precision="int8"))
        opened.close()
        assert 0 < error < 0.25


def test_it_is_asked_of_this_processor_whether_it_sums_bytes_exactly() -> None:
    assert isinstance(sums_bytes_exactly(), bool)


# The command


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("recordings")
    return {r.meta.group: write_recording(r, root / r.meta.name) for r in recordings()}


def command(bundle: ModelBundle, *words: object) -> int:
    return run("quantize", bundle.path, *words, "--calls", 2, "--cadence", 0, "--method", "minmax")


def test_the_command_reports_as_json(
    bundle: ModelBundle, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(bundle, *folders.values(), "--out", tmp_path / "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "ok"
    assert report["hash"] == load_bundle(tmp_path / "out").hash
    assert report["from"] == {"bundle": str(bundle.path), "hash": bundle.hash}
    assert [part["group"] for part in report["measured_on"]] == ["run-3"]
    assert report["windows"] == 120
    assert report["simulated"] is True
    graph = report["graphs"]["decoder"]
    assert graph["method"] == "minmax"
    assert 0 < max(graph["reference_error"].values()) < graph["tolerance"] <= CEILING
    assert [effect["name"] for effect in report["effect"]] == ["auc", "balanced_accuracy", "accuracy"]
    effect = report["effect"][0]
    assert effect["difference"] == effect["reduced"] - effect["full"]
    assert {(r["backend"], r["precision"]) for r in report["runs"]} >= {
        (backend, precision) for backend in graph["reference_error"] for precision in ("float32", "int8")
    }
    assert all(0 < r["latency_ms"]["p50"] <= r["latency_ms"]["p99"] and r["calls"] == 2 for r in report["runs"])
    assert report["verdict"].startswith("int8 pays" if report["pays"] else "int8 does not pay")


def test_the_command_reports_to_people(
    bundle: ModelBundle, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = [folders[f"run-{k}"] for k in range(3)]
    words = (*train, "--evaluate", folders["run-3"], "--out", tmp_path / "out", "--reduce-range")
    assert command(bundle, *words) == 0
    said = capsys.readouterr().out
    assert "(simulated)" in said
    assert "ranges from 120 windows of toy-0 (run-0), toy-1 (run-1), toy-2 (run-2)" in said
    assert "effect on toy-3 (run-3)" in said
    assert "chance 0.500  n 40" in said
    assert "on this machine" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--method", "best"), "Invalid value for '--method'"),
        (("--windows", "0"), "Invalid value for '--windows'"),
        (("--evaluate", "nowhere"), "nowhere"),
        (("--evaluate", "run-1"), "trained on its group 'run-1'"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_written(
    bundle: ModelBundle,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    reason: str,
) -> None:
    given = [str(folders.get(word, word)) for word in words]
    assert run("quantize", bundle.path, folders["run-0"], "--out", tmp_path / "out", *given) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_bundle_itself_and_another_bundle_are_never_replaced_unasked(
    bundle: ModelBundle, folders: dict[str, Path], result: Quantized, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(bundle, *folders.values(), "--out", bundle.path, "--overwrite") == 2
    assert "is the bundle itself, which stays as it is" in capsys.readouterr().err
    assert command(bundle, *folders.values(), "--out", result.bundle.path) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_destroyed_network_ends_with_status_1(
    bundle: ModelBundle, tmp_path: Path, folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = write_recording(louder(recordings(0)[0], 1e6, slice(60, 61), name="spoilt"), tmp_path / "spoilt")
    assert command(bundle, spoilt, folders["run-3"], "--out", tmp_path / "out") == 1
    assert "no bundle was written" in capsys.readouterr().err


def test_a_bundle_whose_right_answers_nobody_knows_is_refused(bundle: ModelBundle, tmp_path: Path) -> None:
    output = bundle.contract.output.model_copy(update={"classes": {}})
    nameless = replace(bundle, contract=bundle.contract.model_copy(update={"output": output}), provenance=Provenance())
    with pytest.raises(BundleError, match="does not say what its answers should have been"):
        quantize(nameless, recordings(0), tmp_path / "out", recordings(3), **QUICK)
