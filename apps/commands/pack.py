"""Make a bundle of anybody's ONNX model."""

from __future__ import annotations

import json
from pathlib import Path

import click

from apps.out import check_out
from apps.seed import SEED
from streamkit.bundle import pack_onnx, read_contract

EXAMPLE = "Example: streamkit pack model.onnx contract.toml --out bundles/mine"


@click.command("pack", epilog=EXAMPLE)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("contract", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the new bundle.")
@click.option("--references", type=click.IntRange(1), default=8, show_default=True, help="Reference windows (noise).")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the reference windows.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: Path, contract: Path, out: Path, references: int, seed: int, overwrite: bool, as_json: bool) -> None:
    """Make a bundle of MODEL (.onnx, float32, input (batch, n_chans, n_times)) and CONTRACT (.toml).

    The contract has the tables stream (ch_names, sfreq, unit), preprocess (stages), window (mode, n_times, hop or
    events) and output (kind, labels, shape, activation).
    """
    check_out(out, "--out")
    bundle = pack_onnx(model, read_contract(contract), out, references=references, seed=seed, overwrite=overwrite)
    graph = bundle.graphs[bundle.contract.runner.graph]
    if as_json:
        facts = {"bundle": str(bundle.path), "hash": bundle.hash}
        click.echo(json.dumps(facts | {"input": graph.input.shape, "output": graph.output.shape}))
    else:
        click.echo(f"{bundle.path}: {graph.input.shape} -> {graph.output.shape}, hash {bundle.hash[:12]}")
