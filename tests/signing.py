"""Making a bundle's manifest fit again after its files were changed, as somebody with bad intentions would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamkit.bundle.manifest import canonical, sha256

Change = Callable[[dict[str, Any]], None]


def sign(path: Path, change: Change = lambda document: None) -> None:
    """Give every listed file its new hash and size, apply `change`, and hash the whole."""

    def refresh(document: dict[str, Any]) -> None:
        for name in document["files"]:
            content = (path / name).read_bytes()
            document["files"][name] = {"sha256": sha256(content), "size": len(content)}
        change(document)

    rewrite(path, refresh)


def rewrite(path: Path, change: Change) -> None:
    """Apply `change` to the manifest and hash it again."""
    document = json.loads((path / "bundle.json").read_text())
    del document["hash"]
    change(document)
    document["hash"] = sha256(canonical(document))
    (path / "bundle.json").write_bytes(canonical(document))
