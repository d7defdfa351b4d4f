"""A bundle reads back as written, or is refused by the name of the file at fault."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from pydantic import ValidationError

from streamkit.bundle import GraphFiles, Metric, Provenance, load_bundle, write_bundle
from streamkit.bundle import manifest as manifest_module
from streamkit.bundle.manifest import FORMAT
from streamkit.errors import BundleError
from streamkit.inference import Wish
from streamkit.preprocess import PreprocessConfig
from streamkit.types import OutputSpec
from tests import small_graphs
from tests.signing import rewrite, sign

FILES = ("bundle.json", "decoder.onnx", "decoder.safetensors", "reference.safetensors")
METRICS = (Metric(name="accuracy", value=0.8, chance=0.5, ci95=(0.7, 0.9), n=100),)
PROVENANCE = Provenance(created="2026-01-01T00:00:00+00:00", seed=3, held_out=("run-5",), simulated=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle").path


def write(path: Path, **changes: Any) -> Any:
    parts: dict[str, Any] = {
        "contract": small_graphs.contract(),
        "graphs": {"decoder": small_graphs.graph_files()},
        "references": small_graphs.references(),
        "metrics": METRICS,
        "provenance": PROVENANCE,
    }
    return write_bundle(path, **(parts | changes))


def test_it_reads_back_as_written(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.contract == small_graphs.contract()
    assert (loaded.metrics, loaded.provenance) == (METRICS, PROVENANCE)
    assert loaded.graphs["decoder"].builder_args == small_graphs.BUILDER_ARGS
    for got, expected in zip(loaded.references()["decoder"], small_graphs.references()["decoder"], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_it_holds_just_the_files_it_should(bundle: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == sorted(FILES)


def test_the_same_parts_give_the_same_hash(tmp_path: Path) -> None:
    assert write(tmp_path / "a").hash == write(tmp_path / "b").hash
    other = Metric(name="accuracy", value=0.81, n=100)
    assert write(tmp_path / "c", metrics=(other,)).hash != write(tmp_path / "a", overwrite=True).hash


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
def test_its_runner_gives_probabilities(bundle: Path, backend: str) -> None:
    pytest.importorskip(backend)
    x = small_graphs.windows(1)
    powers = np.exp(small_graphs.answers(x)[0].astype(float))
    runner = load_bundle(bundle).open_runner(backend)
    np.testing.assert_allclose(runner.infer(x), powers / powers.sum(), rtol=1e-5)
    runner.close()


def test_a_report_is_allowed_and_outside_the_hash(bundle: Path) -> None:
    before = load_bundle(bundle).hash
    (bundle / "report").mkdir()
    (bundle / "report" / "index.html").write_text("<p>fine</p>")
    assert load_bundle(bundle).hash == before


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 1.0])
def test_a_changed_byte_anywhere_is_found_and_its_file_named(bundle: Path, name: str, where: float) -> None:
    content = bytearray((bundle / name).read_bytes())
    at = int(where * (len(content) - 1))
    content[at] ^= 0x01
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} .*(changed|not JSON).*copy the bundle again"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_found(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=rf"{name} .*cut short"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        load_bundle(bundle)


def test_white_space_in_the_manifest_is_a_change(bundle: Path) -> None:
    file = bundle / "bundle.json"
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(BundleError, match=r"bundle\.json was changed after it was written"):
        load_bundle(bundle)


def test_what_is_no_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"there is no bundle at .*nowhere, expected a folder with bundle\.json"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["weights.pkl", "model.pt", "extra.json", "run.py", ".hidden"])
def test_an_unlisted_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"anything")
    with pytest.raises(BundleError, match=rf"{name} is not listed in bundle\.json: remove it"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    "name", ["weights.pkl", "model.pt", "run.py", "../escape.json", "/etc/passwd.json", "a/b.onnx"]
)
def test_a_file_of_another_kind_or_place_may_not_be_listed(bundle: Path, name: str) -> None:
    sign(bundle, lambda document: document["files"].update({name: {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(BundleError, match=r"bundle\.json lists .* holds only \.json, \.onnx, \.safetensors files"):
        load_bundle(bundle)


def test_a_link_to_somewhere_else_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "decoder.onnx").rename(tmp_path / "elsewhere.onnx")
    (bundle / "decoder.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BundleError, match=r"decoder\.onnx is missing \(or not a plain file\)"):
        load_bundle(bundle)


def test_weights_outside_the_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    onnx.save_model(
        small_graphs.onnx_model(), bundle / "decoder.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    (bundle / "w").unlink()
    sign(bundle)
    with pytest.raises(BundleError, match=r"decoder\.onnx keeps weights in another file, 'w'"):
        load_bundle(bundle)


def test_a_newer_format_asks_for_a_newer_streamkit(bundle: Path) -> None:
    sign(bundle, lambda document: document.update(format=FORMAT + 1))
    with pytest.raises(BundleError, match=rf"has format {FORMAT + 1}, .* up to {FORMAT}: install a newer streamkit"):
        load_bundle(bundle)


def test_json_that_is_no_manifest_is_refused(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("[1, 2]\n")
    with pytest.raises(BundleError, match="does not say which format it has"):
        load_bundle(bundle)


def test_json_nested_without_end_is_refused(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("[" * 200_000)
    with pytest.raises(BundleError, match=r"bundle\.json is not JSON"):
        load_bundle(bundle)


def test_an_unknown_key_is_named(bundle: Path) -> None:
    sign(bundle, lambda document: document["contract"]["window"].update(stride=3))
    with pytest.raises(BundleError, match=r"bundle\.json: contract\.window\.stride: Extra inputs are not permitted"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", FILES[:2])
def test_a_file_beyond_its_limit_is_not_read(bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest_module.MAX_BYTES, Path(name).suffix, 100)
    with pytest.raises(BundleError, match=rf"{name} is .*100"):
        load_bundle(bundle)


def test_a_graph_that_names_a_file_not_in_the_bundle_is_refused(bundle: Path) -> None:
    sign(bundle, lambda document: document["graphs"]["decoder"].update(onnx="other.onnx"))
    with pytest.raises(BundleError, match=r"graph 'decoder' names 'other\.onnx', which is not in the bundle"):
        load_bundle(bundle)


def test_a_graph_whose_signature_was_changed_is_refused(bundle: Path) -> None:
    (bundle / "decoder.onnx").write_bytes(small_graphs.onnx_bytes(batch=1))
    sign(bundle)
    with pytest.raises(BundleError, match=r"decoder\.onnx has another input or output than bundle\.json says"):
        load_bundle(bundle)


def test_a_graph_for_another_window_is_refused_on_writing(tmp_path: Path) -> None:
    contract = small_graphs.contract(preprocess=PreprocessConfig(stages=({"kind": "pick", "ch_names": ["C3", "C4"]},)))
    with pytest.raises(BundleError, match=r"takes float32 \(batch, 3, 8\), the contract makes .*2 channels, 8 samples"):
        write(tmp_path / "new", contract=contract)
    assert list(tmp_path.iterdir()) == []


def test_preprocessing_that_does_not_fit_the_stream_is_refused(tmp_path: Path) -> None:
    contract = small_graphs.contract(preprocess=PreprocessConfig(stages=({"kind": "pick", "ch_names": ["Oz"]},)))
    with pytest.raises(BundleError, match=r"new: the contract's preprocessing does not fit its stream: .*Oz"):
        write(tmp_path / "new", contract=contract)


def test_an_output_of_another_shape_is_refused(tmp_path: Path) -> None:
    output = OutputSpec(kind="probabilities", labels=("a", "b", "c"), shape=(3,))
    with pytest.raises(BundleError, match=r"gives \(batch, 2\), the contract's output\.shape is \(3,\)"):
        write(tmp_path / "new", contract=small_graphs.contract(output=output))


def test_labels_and_shape_must_agree() -> None:
    with pytest.raises(ValidationError, match=r"1 labels for shape \(2,\), expected one label per output"):
        small_graphs.contract(output=OutputSpec(kind="values", labels=("a",), shape=(2,)))


def test_classes_must_be_labels() -> None:
    output = OutputSpec(kind="probabilities", labels=("a", "b"), shape=(2,), classes={"1": "a", "2": "c"})
    with pytest.raises(ValidationError, match=r"classes name \['c'\], which are not among the labels"):
        small_graphs.contract(output=output)


def test_an_image_has_three_axes() -> None:
    with pytest.raises(ValidationError, match=r"an image of shape \(28, 28\), expected \(channels, height, width\)"):
        small_graphs.contract(output=OutputSpec(kind="image", shape=(28, 28)))


def test_a_contract_names_no_one_outlet() -> None:
    stream = small_graphs.contract().stream.model_copy(update={"source_id": "amp-1"})
    with pytest.raises(ValidationError, match="source_id and hostname name one outlet; a contract leaves them empty"):
        small_graphs.contract(stream=stream)


def test_a_missing_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"reference\.safetensors is missing in bundle\.json"):
        write(tmp_path / "new", references={})


def test_a_reference_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    x, y = small_graphs.references()["decoder"]
    with pytest.raises(BundleError, match=r"decoder\.output is float32 of shape \(4, 2\), expected finite"):
        write(tmp_path / "new", references={"decoder": (x, y * np.nan)})


def test_a_runner_without_its_graph_is_refused(tmp_path: Path) -> None:
    files = {"other": small_graphs.graph_files()}
    with pytest.raises(BundleError, match=r"the runner needs graph 'decoder', there are \['other'\]"):
        write(tmp_path / "new", graphs=files, references={"other": small_graphs.references()["decoder"]})


def test_a_metric_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Metrics and provenance are finite JSON"):
        write(tmp_path / "new", metrics=(Metric(name="r", value=float("nan"), n=1),))


def test_every_input_needs_its_reference(tmp_path: Path) -> None:
    model = small_graphs.onnx_model()
    model.graph.input.append(onnx.helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(BundleError, match=r"reference\.safetensors has no decoder\.input\.1"):
        write(tmp_path / "new", graphs={"decoder": GraphFiles(model.SerializeToString())})


def test_an_existing_bundle_is_kept_unless_told_otherwise(bundle: Path) -> None:
    with pytest.raises(BundleError, match="is already a bundle: choose another --out, or allow overwriting"):
        write(bundle)
    (bundle / "report").mkdir()
    write(bundle, overwrite=True)
    assert sorted(path.name for path in bundle.iterdir()) == sorted(FILES)
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="is in the way and is not a bundle"):
        write(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert write(tmp_path / "new").path == tmp_path / "new"


def test_a_failure_leaves_the_old_bundle_as_it_was(bundle: Path) -> None:
    before = load_bundle(bundle).hash
    with pytest.raises(BundleError):
        write(bundle, references={}, overwrite=True)
    assert load_bundle(bundle).hash == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


# Several graphs, several tensors, fewer bits


def rich(path: Path) -> Any:
    """A bundle with everything in it: a second graph of two inputs and outputs, an int8 version, further arrays."""
    window, state = small_graphs.windows(), -small_graphs.windows()
    return write(
        path,
        graphs={
            "decoder": small_graphs.graph_files(with_int8=True),
            "update": GraphFiles(small_graphs.pair_bytes()),
        },
        references=small_graphs.references() | {"update": ((window, state), small_graphs.pair_answers(window, state))},
        tensors={"templates": np.arange(6.0).reshape(2, 3), "mask": np.array([True, False]), "n": np.int64(3)},
    )


def test_all_of_a_rich_bundle_reads_back(tmp_path: Path) -> None:
    rich(tmp_path / "rich")
    loaded = load_bundle(tmp_path / "rich")
    window, state = small_graphs.windows(), -small_graphs.windows()
    inputs, outputs = loaded.references()["update"]
    for got, expected in zip(
        (*inputs, *outputs), (window, state, *small_graphs.pair_answers(window, state)), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert [spec.name for spec in loaded.graphs["update"].inputs] == ["window", "state"]
    assert [spec.name for spec in loaded.graphs["update"].outputs] == ["y", "next"]
    np.testing.assert_array_equal(loaded.tensors()["templates"], np.arange(6.0).reshape(2, 3))
    assert loaded.tensors()["mask"].tolist() == [True, False]
    assert loaded.tensors()["n"].tolist() == 3
    reduced = loaded.graphs["decoder"].reduced["int8"]
    assert (reduced.onnx.name, reduced.tolerance) == ("decoder.int8.onnx", small_graphs.INT8_TOLERANCE)
    assert reduced.onnx.read_bytes() == small_graphs.int8_bytes()
    entry = json.loads((tmp_path / "rich" / "bundle.json").read_text())["graphs"]["decoder"]["reduced"]["int8"]
    assert entry["effect"] == [small_graphs.EFFECT.model_dump(mode="json")]


def test_without_further_arrays_there_is_no_file_for_them(bundle: Path) -> None:
    assert not (bundle / "tensors.safetensors").exists()
    assert load_bundle(bundle).tensors() == {}


def test_the_int8_version_proves_itself_and_runs(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = write(tmp_path / "new", graphs={"decoder": small_graphs.graph_files(with_int8=True)}).path
    loaded, x = load_bundle(path), small_graphs.windows(1)
    few = loaded.open_runner(Wish("openvino", precision="int8")).infer(x)
    full = loaded.open_runner("openvino").infer(x)
    assert 0 < np.abs(few - full).max() < 0.05


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1.5, float("nan"), float("inf")])
def test_a_tolerance_that_proves_nothing_is_refused(tmp_path: Path, tolerance: float) -> None:
    files = small_graphs.graph_files(with_int8=True)
    reduced = {"int8": replace(files.reduced["int8"], tolerance=tolerance)}
    with pytest.raises(BundleError, match=r"graph 'decoder': tolerance: Input should be|tolerance.*finite"):
        write(tmp_path / "new", graphs={"decoder": replace(files, reduced=reduced)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tolerance", [0, 1.5])
def test_a_tolerance_is_checked_on_reading_too(tmp_path: Path, tolerance: float) -> None:
    path = rich(tmp_path / "rich").path
    rewrite(path, lambda document: document["graphs"]["decoder"]["reduced"]["int8"].update(tolerance=tolerance))
    with pytest.raises(BundleError, match=r"bundle\.json: graphs\.decoder\.reduced\.int8\.tolerance: Input should be"):
        load_bundle(path)


@pytest.mark.parametrize("precision", ["float32", "tf32", "int4"])
def test_a_version_in_other_bits_is_refused(tmp_path: Path, precision: Any) -> None:
    files = small_graphs.graph_files(with_int8=True)
    with pytest.raises(BundleError, match=rf"graph 'decoder': reduced\.{precision}.*Input should be 'fp16'"):
        write(tmp_path / "new", graphs={"decoder": replace(files, reduced={precision: files.reduced["int8"]})})


def test_a_reduced_graph_with_another_signature_is_refused(tmp_path: Path) -> None:
    files = small_graphs.graph_files(with_int8=True)
    other = {"int8": replace(files.reduced["int8"], onnx=small_graphs.onnx_bytes(batch=1))}
    with pytest.raises(BundleError, match=r"decoder\.int8\.onnx has another input or output than bundle\.json says"):
        write(tmp_path / "new", graphs={"decoder": replace(files, reduced=other)})


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "reference", "tensors", "a.int8", "x" * 65])
def test_a_graph_whose_name_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    files = {"decoder": small_graphs.graph_files(), name: GraphFiles(small_graphs.onnx_bytes())}
    references = small_graphs.references() | {name: small_graphs.references()["decoder"]}
    with pytest.raises(BundleError, match="is no name for a graph, expected letters, digits"):
        write(tmp_path / "new", graphs=files, references=references)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (small_graphs.windows(3), "different numbers of items"),
        (small_graphs.windows().astype(np.float64), r"decoder\.input is float64 of shape"),
        (np.float32(1), r"decoder\.input is float32 of shape \(\)"),
        (small_graphs.windows()[:0], r"decoder\.input is float32 of shape \(0, 3, 8\)"),
        (small_graphs.windows()[:, :2], r"decoder\.input is float32 of shape \(4, 2, 8\)"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        write(tmp_path / "new", references={"decoder": (array, small_graphs.references()["decoder"][1])})


def test_a_graph_that_takes_text_is_refused(tmp_path: Path) -> None:
    model = small_graphs.onnx_model()
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING
    with pytest.raises(BundleError, match=r"decoder\.onnx: 'x' is type 8 \(batch, 3, 8\), expected numbers"):
        write(tmp_path / "new", graphs={"decoder": GraphFiles(model.SerializeToString())})


def test_a_bundle_of_format_1_still_loads(bundle: Path) -> None:
    """Format 1 had one input and one output for each graph, and neither reduced graphs nor further arrays."""

    def older(document: dict[str, Any]) -> None:
        document["format"] = 1
        entry = document["graphs"]["decoder"]
        del entry["reduced"]
        entry["input"], entry["output"] = entry.pop("inputs")[0], entry.pop("outputs")[0]

    rewrite(bundle, older)
    assert set(json.loads((bundle / "bundle.json").read_text())["graphs"]["decoder"]) == {
        *("onnx", "weights", "builder", "builder_args", "input", "output")
    }
    loaded = load_bundle(bundle)
    assert [spec.name for spec in loaded.graphs["decoder"].inputs] == ["x"]
    pytest.importorskip("onnxruntime")
    x = small_graphs.windows(1)
    powers = np.exp(small_graphs.answers(x)[0].astype(float))
    np.testing.assert_allclose(loaded.open_runner("onnxruntime").infer(x), powers / powers.sum(), rtol=1e-5)


@pytest.mark.parametrize("format", [0, -1, True, "2", None])
def test_a_format_that_never_was_is_refused(bundle: Path, format: Any) -> None:
    rewrite(bundle, lambda document: document.update(format=format))
    with pytest.raises(BundleError, match="does not say which format it has"):
        load_bundle(bundle)


def test_arguments_nested_without_end_are_refused(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    document["graphs"]["decoder"]["builder_args"] = {"deep": 0}
    text = json.dumps(document).replace('{"deep": 0}', '{"deep": ' + "[" * 700 + "]" * 700 + "}")
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(bundle)
