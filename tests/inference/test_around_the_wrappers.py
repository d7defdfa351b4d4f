"""`infer` goes around the Python of a runtime where it can, and through it where the package is built otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamkit.inference import onnxruntime_backend, openvino_backend


class Inner:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def run_with_iobinding(self, *given: Any) -> None:
        self.calls.append(given)


class Session(Inner):
    def __init__(self, inner: Inner | None) -> None:
        super().__init__()
        if inner is not None:
            self._sess = inner


def test_onnxruntime_is_called_without_its_wrapper() -> None:
    inner = Inner()
    session = Session(inner)
    onnxruntime_backend._directly(session, SimpleNamespace(_iobinding="bound"))()
    assert inner.calls == [("bound", None)]
    assert session.calls == []


@pytest.mark.parametrize(
    ("inner", "binding"), [(None, SimpleNamespace(_iobinding="bound")), (Inner(), SimpleNamespace())]
)
def test_onnxruntime_without_those_names_is_called_as_documented(inner: Inner | None, binding: Any) -> None:
    session = Session(inner)
    onnxruntime_backend._directly(session, binding)()
    assert session.calls == [(binding,)]


class Request:
    """Like OpenVINO's: the class that users see wraps the compiled one."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def infer(self, *given: Any, **keys: Any) -> None:
        self.calls.append(("compiled", given, keys))


class Wrapped(Request):
    def infer(self, *given: Any, **keys: Any) -> None:
        self.calls.append(("wrapper", given, keys))


def test_openvino_is_called_without_its_wrapper() -> None:
    request = Wrapped()
    openvino_backend._directly(request)()
    assert request.calls == [("compiled", ({},), {"share_outputs": True, "decode_strings": False})]


def test_openvino_without_a_class_beneath_is_called_as_documented() -> None:
    request = Request()
    openvino_backend._directly(request)()
    assert request.calls == [("compiled", (), {"share_outputs": True})]
