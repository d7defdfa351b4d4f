"""One JSON object per line: what the processes of a benchmark tell the one that started them."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(message: dict[str, Any]) -> None:
    """Write one line to standard output, at once."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
