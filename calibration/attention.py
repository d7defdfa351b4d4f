"""Attention in ONNX without asking for shapes: the exporter's own turns the keys by way of their computed shape."""

from __future__ import annotations

from typing import Any

from streamkit.errors import require

WHY = "exporting a model"


def translations() -> dict[Any, Any]:
    """For ``custom_translation_table`` of the exporter."""
    torch = require("torch", "train", WHY)
    return {torch.ops.aten.scaled_dot_product_attention.default: attention}


def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Softmax of scaled products, ``(..., n_queries, n_features)``; masks and groups go the exporter's way."""
    if attn_mask is not None or is_causal or enable_gqa:
        library = require("onnxscript.function_libs.torch_lib.ops.nn", "train", WHY)
        every = (query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        return library.aten_scaled_dot_product_attention(*every)
    op = require("onnxscript", "train", WHY).opset20
    rank = len(key.shape)
    turned = op.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2])
    factor = float(query.shape[-1]) ** -0.5 if scale is None else scale
    scores = op.MatMul(op.Mul(query, op.Constant(value_float=factor)), turned)
    return op.MatMul(op.Softmax(scores, axis=-1), value)
