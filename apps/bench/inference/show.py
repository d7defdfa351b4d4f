"""The report as tables for people."""

from __future__ import annotations

import io
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from apps.bench.inference.acceptance import is_of

COLUMNS = (
    "model",
    "backend",
    "precision",
    "batch",
    "threads",
    "bound",
    "tight p50",
    "p99",
    "live p50",
    "p99",
    "× eager",
    "/ raw",
)


def as_text(report: dict[str, Any]) -> str:
    """Rows, the chosen backends and what is missing."""
    console = Console(file=io.StringIO(), width=None if sys.stdout.isatty() else 160)
    console.print(as_table(report))
    lines = [sentence(report), *(f"missed: {miss}" for miss in report["acceptance"]["misses"])]
    lines += [f"not run: {each['backend']} on {each['device']}: {each['why_not']}" for each in report["not_run"]]
    for text in lines:
        console.print(text, markup=False, highlight=False)
    return console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined, no-any-return]


def as_table(report: dict[str, Any]) -> Table:
    """One line per row; milliseconds; a star marks what auto chose."""
    table = Table(*COLUMNS, box=None, header_style="bold")
    for column in table.columns[6:]:
        column.justify = "right"
    for row in report["rows"]:
        star = " *" if is_of(row, report["choices"][row["model"]]) else ""
        times = [f"{row[kind][key]:.3f}" for kind in ("tight_ms", "cadence_ms") for key in ("p50", "p99")]
        ratios = [f"{row['speedup_vs_eager']:.2f}", f"{row['ratio_to_raw']:.3f}"]
        counts = [str(row["batch"]), str(row["threads"])]
        table.add_row(row["model"], row["backend"] + star, row["precision"], *counts, row["bound"], *times, *ratios)
    return table


def sentence(report: dict[str, Any]) -> str:
    """What the figures were taken on, and the median over models."""
    limits = "; ".join(
        f"with {each['threads']} thread(s) {each['gflops']:.0f} GFLOP/s and {each['gbps']:.1f} GB/s"
        for each in report["machine"]["ceilings"]
    )
    median = report["acceptance"]["median_speedup"]
    chosen = "" if median is None else f", {median:.2f} × eager (median over models)"
    cadence = report["settings"]["cadence_s"]
    return f"milliseconds; live: every {cadence:g} s; *: what auto chooses{chosen}. This machine: {limits}"
