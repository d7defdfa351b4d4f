"""The files of a bundle: each is what the manifest says, or is not parsed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from streamkit.bundle.manifest import AGAIN, MAX_BYTES, REPORT, SUFFIXES, FileEntry, sha256
from streamkit.errors import BundleError
from streamkit.marks import MANIFEST

Files = Mapping[str, FileEntry]


def check_files(path: Path, listed: Files) -> None:
    """Every listed file is there, whole and unchanged, and no other file is."""
    for name in listed:
        if Path(name).name != name or Path(name).suffix not in SUFFIXES or name == MANIFEST:
            raise BundleError(
                f"{path / MANIFEST} lists {name!r}; a bundle holds only {', '.join(SUFFIXES)} files, side by side: "
                "do not trust it"
            )
    for found in sorted(path.iterdir()):
        if found.name not in listed and found.name not in (MANIFEST, REPORT):
            raise BundleError(f"{found} is not listed in {MANIFEST}: remove it, or {AGAIN}")
    for name, entry in listed.items():
        _check_size(path / name, entry)
        _check_hash(path / name, entry)


def _check_size(file: Path, entry: FileEntry) -> None:
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{file} is missing (or not a plain file): {AGAIN}")
    size, limit = file.stat().st_size, MAX_BYTES[file.suffix]
    if entry.size > limit:
        raise BundleError(f"{file} is said to have {entry.size} bytes, more than the {limit} allowed: {AGAIN}")
    if size != entry.size:
        raise BundleError(f"{file} has {size} bytes, {entry.size} were written; it is cut short or changed: {AGAIN}")


def _check_hash(file: Path, entry: FileEntry) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry.sha256:
        raise _changed(file)


def _changed(file: Path) -> BundleError:
    return BundleError(f"{file} was changed after it was written (its sha256 does not fit): {AGAIN}")


def content_of(path: Path, name: str, listed: Files) -> bytes:
    """Content of one file: what was checked is what is returned, also when the file is replaced meanwhile."""
    file = path / name
    if name not in listed:
        raise BundleError(f"{file} is missing in {MANIFEST}: {AGAIN}")
    _check_size(file, listed[name])
    content = file.read_bytes()
    if sha256(content) != listed[name].sha256:
        raise _changed(file)
    return content


def tensors_of(path: Path, name: str, listed: Files) -> dict[str, NDArray[Any]]:
    """Arrays in one safetensors file."""
    from safetensors.numpy import load

    content = content_of(path, name, listed)
    try:
        return load(content)
    except Exception as error:
        raise BundleError(f"{path / name} is not a safetensors file ({error}): {AGAIN}") from error


def check_weights(file: Path) -> None:
    """Its header is that of a safetensors file; the weights themselves stay where they are."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except Exception as error:
        raise BundleError(f"{file} is not a safetensors file ({error}): {AGAIN}") from error
