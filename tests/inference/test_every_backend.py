"""Every backend keeps one contract, on every device it can use; what is not here is skipped and says why."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from streamkit.errors import BackendError, ConfigError, MissingPackage
from streamkit.inference import BACKENDS, Backend, Graph, Settings, open_backend, prove, torch_backend
from streamkit.inference.settings import Device
from streamkit.inference.signal_stack import signal_stack_size
from tests import small_graphs

SOURCES = Path(__file__).parents[2] / "streamkit" / "inference"
EVERYWHERE = [(name, device) for name, row in BACKENDS.items() for device in row.precisions]
FROM_ONNX = [(name, device) for name, device in EVERYWHERE if BACKENDS[name].runs == "onnx"]
PRECISELY = [
    (name, device, precision) for name, device in EVERYWHERE for precision in BACKENDS[name].precisions[device]
]
Open = Callable[..., Backend]


@pytest.fixture(autouse=True)
def pair_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder of a network with two inputs, beside those that are installed."""
    installed = torch_backend.entry_points(group=torch_backend.GROUP)
    monkeypatch.setattr(torch_backend, "entry_points", lambda group: [*installed, small_graphs.PAIR_POINT])


def skip_unless_here(name: str, device: Device) -> None:
    available, why_not = BACKENDS[name].available(device)
    if not available:
        pytest.skip(why_not)


@pytest.fixture(params=EVERYWHERE, ids=lambda place: "-".join(place))
def place(request: pytest.FixtureRequest) -> tuple[str, Device]:
    skip_unless_here(*request.param)
    return request.param


@pytest.fixture
def open_here(place: tuple[str, Device], tmp_path: Path) -> Iterator[Open]:
    """Opens the linear decoder, or another graph, on the backend and device under test."""
    opened: list[Backend] = []

    def open_it(graph: Graph | None = None, **settings: Any) -> Backend:
        name, device = place
        backend = open_backend(name, graph or small_graphs.graph(tmp_path), Settings(device=device, **settings))
        opened.append(backend)
        return backend

    yield open_it
    for backend in opened:
        backend.close()


@pytest.fixture
def opened(open_here: Open) -> Backend:
    return open_here()


@pytest.fixture
def pair(open_here: Open, tmp_path: Path) -> Backend:
    return open_here(small_graphs.pair_graph(tmp_path))


def right(got: np.ndarray, x: np.ndarray) -> None:
    np.testing.assert_allclose(got, small_graphs.answers(x), rtol=1e-4, atol=1e-5)


def test_every_backend_file_has_a_row() -> None:
    files = {path.stem for path in SOURCES.glob("*_backend.py")}
    assert files == {row.home.partition(":")[0] for row in BACKENDS.values()}


def test_every_row_says_what_it_is() -> None:
    for name, row in BACKENDS.items():
        assert name == row.name == row.create().name
        assert row.summary
        assert row.precisions
        assert not row.available()[0] or row.version()


@pytest.mark.parametrize(("name", "device"), EVERYWHERE)
def test_what_is_not_here_says_why(name: str, device: Device, tmp_path: Path) -> None:
    available, why_not = BACKENDS[name].available(device)
    assert available == (not why_not)
    if not available:
        with pytest.raises(MissingPackage) as refusal:
            open_backend(name, small_graphs.graph(tmp_path), Settings(device=device))
        assert str(refusal.value) == why_not


# What it answers


def test_it_gives_the_reference_output(opened: Backend) -> None:
    assert prove(opened, small_graphs.references()["decoder"]) <= 1e-5


@pytest.mark.parametrize(("name", "device", "precision"), PRECISELY)
def test_every_precision_passes_its_proof(name: str, device: Device, precision: Any, tmp_path: Path) -> None:
    skip_unless_here(name, device)
    graph = small_graphs.graph(tmp_path, with_int8=True)
    try:
        backend = open_backend(name, graph, Settings(precision=precision, device=device))
    except BackendError as error:
        if "this processor does not compute in bf16" not in str(error):
            raise
        pytest.skip(str(error))
    with backend:
        error = prove(backend, small_graphs.references()["decoder"], graph.tolerance(precision))
    if precision == "int8":
        assert error > 1e-3  # it did compute in eight bits


def test_it_says_the_same_bits_every_time(opened: Backend) -> None:
    x = small_graphs.windows(1)
    first = opened.infer(x)
    for _ in range(20):
        opened.infer(-x)
        np.testing.assert_array_equal(opened.infer(x), first)


def test_another_opening_says_the_same_bits(open_here: Open) -> None:
    x = small_graphs.windows(1)
    np.testing.assert_array_equal(open_here().infer(x), open_here().infer(x))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_spoils_one_answer_only(opened: Backend, bad: float) -> None:
    x = small_graphs.windows(1)
    first, spoilt = opened.infer(x), x.copy()
    spoilt[0, 1, 3] = bad
    assert not np.isfinite(opened.infer(spoilt)).any()
    np.testing.assert_array_equal(opened.infer(x), first)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="alternate signal stacks are looked at on Linux only")
def test_signal_handlers_keep_their_stack(open_here: Open) -> None:
    before = signal_stack_size()
    backend = open_here()
    assert signal_stack_size() == before
    backend.close()
    assert signal_stack_size() == before


def test_it_runs_batches_when_opened_for_them(open_here: Open) -> None:
    x = small_graphs.windows(3)
    right(open_here(batch=3).infer(x), x)


def test_two_threads_change_nothing_that_matters(open_here: Open) -> None:
    x = small_graphs.windows(1)
    np.testing.assert_allclose(open_here(threads=2).infer(x), open_here().infer(x), rtol=1e-5)


def test_it_runs_several_inputs_and_outputs(pair: Backend) -> None:
    window, state = small_graphs.windows(1), -small_graphs.windows(2)[1:]
    got = pair.run(window, state)
    assert len(got) == 2
    for array, wanted in zip(got, small_graphs.pair_answers(window, state), strict=True):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-5)


def test_a_state_may_be_fed_back(pair: Backend) -> None:
    state = wanted = np.zeros((1, small_graphs.N_CHANS, small_graphs.N_TIMES), np.float32)
    for window in small_graphs.windows(4)[:, None]:
        answer, state = pair.run(window, state)
        expected, wanted = small_graphs.pair_answers(window, wanted)
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, wanted, rtol=1e-4, atol=1e-5)


# Whose memory


def test_its_answer_belongs_to_the_caller(pair: Backend) -> None:
    x = small_graphs.windows(2)
    first = pair.run(x[:1], x[1:])
    kept = [array.copy() for array in first]
    pair.run(-x[1:], x[:1])
    for array, was in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, was)
        array[:] = 0
    for array, was in zip(pair.run(x[:1], x[1:]), kept, strict=True):
        np.testing.assert_array_equal(array, was)


def test_its_answer_outlives_it(opened: Backend) -> None:
    x = small_graphs.windows(1)
    answer = opened.infer(x)
    opened.close()
    right(answer, x)


def test_its_input_is_left_alone_and_may_be_reused(opened: Backend) -> None:
    x = small_graphs.windows(2)
    mine = x[:1].copy()
    first = opened.infer(mine)
    np.testing.assert_array_equal(mine, x[:1])
    mine[:] = x[1:]
    right(opened.infer(mine), x[1:])
    right(first, x[:1])


def test_buffers_are_filled_in_place(opened: Backend) -> None:
    (buffer,) = opened.buffers
    assert (buffer.shape, buffer.dtype) == ((1, 3, 8), np.float32)
    for x in small_graphs.windows(3)[:, None]:
        buffer[:] = x
        right(opened.infer(buffer), x)
        np.testing.assert_array_equal(buffer, x)


def test_a_buffer_still_works_after_an_array_of_the_callers(opened: Backend) -> None:
    x = small_graphs.windows(2)
    opened.infer(x[:1])
    opened.buffers[0][:] = x[1:]
    right(opened.infer(opened.buffers[0]), x[1:])


def test_buffers_are_as_large_as_the_batch(open_here: Open) -> None:
    backend, x = open_here(batch=2), small_graphs.windows(2)
    backend.buffers[0][:] = x
    right(backend.infer(*backend.buffers), x)


def test_buffers_given_the_wrong_way_round_are_read_before_they_are_written(pair: Backend) -> None:
    window, state = small_graphs.windows(2)[:, None]
    pair.buffers[0][:], pair.buffers[1][:] = state, window
    for array, wanted in zip(pair.run(*pair.buffers[::-1]), small_graphs.pair_answers(window, state), strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1),
        lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
        lambda x: x[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
    ],
    ids=["transposed", "strided", "reversed"],
)
def test_a_view_is_read_in_its_own_order(opened: Backend, view: Callable[[np.ndarray], np.ndarray]) -> None:
    x = small_graphs.windows(1)
    assert not view(x).flags.c_contiguous
    np.testing.assert_array_equal(opened.infer(view(x)), opened.infer(x))


def test_an_array_that_cannot_be_written_is_fine(opened: Backend) -> None:
    x = small_graphs.windows(1)
    x.flags.writeable = False
    right(opened.infer(x), x)


# What it refuses


def test_another_shape_is_refused_with_what_was_expected(opened: Backend) -> None:
    with pytest.raises(
        BackendError, match=r"of shape \(1, 8, 3\), expected float32 of shape \(1, 3, 8\) \(batch, n_ch"
    ):
        opened.infer(np.zeros((1, 8, 3), np.float32))


def test_another_batch_is_refused(opened: Backend) -> None:
    with pytest.raises(BackendError, match=r"of shape \(2, 3, 8\), expected float32 of shape \(1, 3, 8\)"):
        opened.infer(small_graphs.windows(2))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_another_dtype_is_refused(opened: Backend, dtype: Any) -> None:
    with pytest.raises(BackendError, match=rf"was given {np.dtype(dtype)} of shape .*, expected float32 of shape"):
        opened.infer(np.zeros((1, 3, 8), dtype))


def test_what_is_no_array_is_refused(opened: Backend) -> None:
    with pytest.raises(BackendError, match="was given a list, expected float32 of shape"):
        opened.infer(small_graphs.windows(1).tolist())


@pytest.mark.parametrize("n", [0, 2])
def test_another_number_of_arrays_is_refused(opened: Backend, n: int) -> None:
    with pytest.raises(BackendError, match=r"was given .*, expected float32 of shape \(1, 3, 8\)"):
        opened.run(*[small_graphs.windows(1)] * n)


def test_one_array_for_two_inputs_is_refused_with_their_names(pair: Backend) -> None:
    with pytest.raises(BackendError, match=r"was given float32 .*, expected .* \(for window, state\)"):
        pair.infer(small_graphs.windows(1))


def test_after_a_refusal_it_works_on(opened: Backend) -> None:
    x = small_graphs.windows(1)
    for wrong in (x[:, :2], x.astype(float)):
        with pytest.raises(BackendError):
            opened.infer(wrong)
    right(opened.infer(x), x)


def test_no_threads_at_all_are_refused(open_here: Open) -> None:
    with pytest.raises(ConfigError, match="threads=0 and batch=1 were given, expected at least 1"):
        open_here(threads=0)


@pytest.mark.parametrize("name", BACKENDS)
def test_an_absent_runtime_names_the_extra(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = BACKENDS[name]
    monkeypatch.setitem(sys.modules, row.package, None)
    monkeypatch.setattr("streamkit.inference.table.cuda_driver.probe", lambda: _Driver())
    graph, device = small_graphs.graph(tmp_path), next(iter(row.precisions))
    with pytest.raises(MissingPackage, match=rf"'{row.package}'.*pip install 'streamkit\[{row.extra}\]'"):
        open_backend(name, graph, Settings(device=device))
    assert not row.available(device)[0]


class _Driver:
    why_not = ""


# Open and closed


def test_a_closed_backend_says_so(opened: Backend) -> None:
    opened.close()
    opened.close()
    with pytest.raises(BackendError, match="is not open: call open"):
        opened.infer(small_graphs.windows(1))
    assert opened.buffers == ()


def test_one_that_was_never_open_says_so_and_may_be_closed(place: tuple[str, Device]) -> None:
    backend = BACKENDS[place[0]].create()
    with pytest.raises(BackendError, match="is not open: call open"):
        backend.infer(small_graphs.windows(1))
    backend.close()


def test_it_is_opened_once(opened: Backend, tmp_path: Path) -> None:
    x = small_graphs.windows(1)
    with pytest.raises(BackendError, match="is open already: close it first"):
        opened.open(small_graphs.graph(tmp_path), opened.settings)
    right(opened.infer(x), x)


def test_it_may_be_opened_again_after_closing(pair: Backend, tmp_path: Path) -> None:
    x = small_graphs.windows(2)
    settings = pair.settings
    pair.close()
    pair.open(small_graphs.graph(tmp_path), Settings(device=settings.device, batch=2))
    right(pair.infer(x), x)
    assert pair.input_spec.name == "x"


def test_it_closes_behind_an_error(opened: Backend) -> None:
    with pytest.raises(KeyError), opened:
        raise KeyError
    with pytest.raises(BackendError, match="is not open"):
        opened.infer(small_graphs.windows(1))


def test_what_could_not_be_opened_is_not_open(place: tuple[str, Device], tmp_path: Path) -> None:
    backend, settings = BACKENDS[place[0]].create(), Settings(device=place[1])
    graph = small_graphs.graph(tmp_path)
    for file in ("decoder.onnx", "decoder.safetensors"):
        (tmp_path / file).write_bytes(b"not a network")
    with pytest.raises(BackendError, match=r"decoder\.(onnx|safetensors)"):
        backend.open(graph, settings)
    assert backend.buffers == ()
    with pytest.raises(BackendError, match="is not open"):
        backend.infer(small_graphs.windows(1))
    with backend.open(small_graphs.graph(tmp_path), settings):
        right(backend.infer(small_graphs.windows(1)), small_graphs.windows(1))


# Several threads


def in_threads(job: Callable[[int], None], n: int = 4) -> None:
    """Run `job` with 0 to n - 1 at the same time; raises what one of them raised."""
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            job(index)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_may_call_at_the_same_time(opened: Backend) -> None:
    x = small_graphs.windows(4)
    alone = [opened.infer(window) for window in x[:, None]]

    def ask(index: int) -> None:
        for _ in range(100):
            np.testing.assert_array_equal(opened.infer(x[index : index + 1]), alone[index])

    in_threads(ask)


def test_two_backends_run_beside_each_other(open_here: Open) -> None:
    x = small_graphs.windows(2)
    both = open_here(), open_here()

    def ask(index: int) -> None:
        for _ in range(100):
            right(both[index].infer(x[index : index + 1]), x[index : index + 1])

    in_threads(ask, 2)


def test_closing_waits_for_the_call_that_runs(opened: Backend) -> None:
    x, begun = small_graphs.windows(1), threading.Barrier(4)

    def ask(index: int) -> None:
        begun.wait()
        if index == 0:
            opened.close()
            return
        for _ in range(50):
            try:
                answer = opened.infer(x)
            except BackendError as refusal:
                if "is not open" not in str(refusal):
                    raise
                return
            right(answer, x)

    in_threads(ask)


# ONNX files


@pytest.fixture(params=FROM_ONNX, ids=lambda place: "-".join(place))
def onnx_place(request: pytest.FixtureRequest) -> tuple[str, Device]:
    skip_unless_here(*request.param)
    return request.param


def refusal(place: tuple[str, Device], folder: Path, content: bytes) -> str:
    """What the backend says to a graph of which somebody replaced the ONNX file."""
    graph = small_graphs.graph(folder)
    (folder / "decoder.onnx").write_bytes(content)
    with pytest.raises(BackendError) as error:
        open_backend(place[0], graph, Settings(device=place[1]))
    message = str(error.value)
    assert "decoder.onnx" in message
    assert "\n" not in message
    assert len(message) < 500
    return message


def renamed(side: str) -> bytes:
    model = small_graphs.onnx_model()
    getattr(model.graph, side)[0].name = "other"
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["other" if name == {"input": "x", "output": "y"}[side] else name for name in names]
    return model.SerializeToString()


@pytest.mark.parametrize("side", ["input", "output"])
def test_another_tensor_name_is_refused_with_both(onnx_place: tuple[str, Device], tmp_path: Path, side: str) -> None:
    message = refusal(onnx_place, tmp_path, renamed(side))
    assert f"has the {side}s other float32 (batch, " in message
    assert f"graph 'decoder' says {'x' if side == 'input' else 'y'} float32 (batch, " in message


def test_another_shape_in_the_file_is_refused(onnx_place: tuple[str, Device], tmp_path: Path) -> None:
    model = small_graphs.onnx_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 9
    assert "has the inputs x float32 (batch, 3, 9), graph 'decoder' says x float32 (batch, 3, 8)" in refusal(
        onnx_place, tmp_path, model.SerializeToString()
    )


def test_a_file_that_is_no_onnx_is_refused(onnx_place: tuple[str, Device], tmp_path: Path) -> None:
    assert "is not an ONNX model" in refusal(onnx_place, tmp_path, b"not a network")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_cut_file_is_refused(onnx_place: tuple[str, Device], tmp_path: Path, keep: float) -> None:
    content = small_graphs.onnx_bytes()
    assert "is not an ONNX model" in refusal(onnx_place, tmp_path, content[: int(keep * len(content))])


@pytest.mark.parametrize(("domain", "name"), [("", "FrobnicateV7"), ("com.example.custom", "Frobnicate")])
def test_an_unknown_operator_is_refused_by_name(
    onnx_place: tuple[str, Device], tmp_path: Path, domain: str, name: str
) -> None:
    model = small_graphs.onnx_model()
    model.graph.node[0].op_type, model.graph.node[0].domain = name, domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    assert name in refusal(onnx_place, tmp_path, model.SerializeToString())


def test_weights_in_another_file_are_refused(onnx_place: tuple[str, Device], tmp_path: Path) -> None:
    onnx.save_model(
        small_graphs.onnx_model(), tmp_path / "m.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    content = (tmp_path / "m.onnx").read_bytes()
    assert "keeps weights in another file, 'w'" in refusal(onnx_place, tmp_path, content)
