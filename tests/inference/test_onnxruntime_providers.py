"""What ONNX Runtime is asked for on a GPU, as far as that can be told without one. Its sessions there were not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamkit.errors import BackendError
from streamkit.inference import Settings
from streamkit.inference.onnxruntime_backend import PROVIDERS, OnnxRuntimeBackend, _provider_options
from streamkit.inference.settings import DEVICES
from tests import small_graphs

onnxruntime = pytest.importorskip("onnxruntime")


def test_every_device_has_its_provider() -> None:
    assert tuple(PROVIDERS) == DEVICES
    assert set(PROVIDERS.values()) <= set(onnxruntime.get_all_providers())


def test_an_absent_provider_says_which_package_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert OnnxRuntimeBackend.why_not("cpu") == ""
    assert "has no CUDAExecutionProvider (it has CPUExecutionProvider)" in OnnxRuntimeBackend.why_not("cuda")
    assert OnnxRuntimeBackend.why_not("tensorrt").endswith("then pip install onnxruntime-gpu")


def test_float32_on_cuda_is_float32() -> None:
    assert _provider_options(b"", Settings(device="cuda"), "1")["use_tf32"] == "0"
    assert _provider_options(b"", Settings(device="cuda", precision="tf32"), "1")["use_tf32"] == "1"


def test_engines_of_tensorrt_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path))

    def folder(content: bytes = b"a", version: str = "1", **settings: Any) -> str:
        options = _provider_options(content, Settings(device="tensorrt", **settings), version)
        assert options["trt_fp16_enable"] == str(int(settings.get("precision") == "fp16"))
        assert options["trt_engine_cache_enable"] == "1"
        assert Path(options["trt_engine_cache_path"]).stat().st_mode & 0o077 == 0
        return options["trt_engine_cache_path"]

    different = [folder(), folder(b"b"), folder(version="2"), folder(precision="fp16"), folder(batch=2)]
    assert len(set(different)) == len(different)
    assert folder() == different[0]
    assert Path(different[0]).is_relative_to(tmp_path)


@pytest.mark.parametrize("folder", ["file", "shared"])
def test_engines_are_not_kept_where_others_could_put_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """An engine is machine code."""
    place = tmp_path / "cache"
    monkeypatch.setenv("STREAMKIT_CACHE", str(place))
    settings = Settings(device="tensorrt")
    if folder == "file":
        place.write_text("in the way")
    else:
        Path(_provider_options(b"", settings, "1")["trt_engine_cache_path"]).chmod(0o777)
    options = _provider_options(b"", settings, "1")
    assert options["trt_engine_cache_enable"] == "0"
    assert "trt_engine_cache_path" not in options


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_silent_fallback_to_the_processor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Any
) -> None:
    asked: list[Any] = []

    class OnTheProcessor:
        def __init__(self, content: bytes, options: Any, providers: Any, enable_fallback: int) -> None:
            asked.append((providers, enable_fallback))

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", OnTheProcessor)
    with pytest.raises(BackendError, match=rf"fell back from {PROVIDERS[device]} to CPUExecutionProvider"):
        OnnxRuntimeBackend().open(small_graphs.graph(tmp_path), Settings(device=device))
    (((name, _),), fallback) = asked[0]
    assert (name, fallback) == (PROVIDERS[device], 0)


def test_a_session_that_fails_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = small_graphs.graph(tmp_path)
    model = small_graphs.onnx_model()
    model.graph.node[0].attribute.add(name="axis", i=9, type=2)
    (tmp_path / "decoder.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BackendError, match=r"onnxruntime could not load .*decoder\.onnx"):
        OnnxRuntimeBackend().open(graph)
    assert capfd.readouterr() == ("", "")
