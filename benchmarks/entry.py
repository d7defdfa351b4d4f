"""How a benchmark is run from a shell."""

from __future__ import annotations

import sys
from collections.abc import Callable

from streamkit.errors import StreamkitError

INTERRUPTED = 130


def entry(main: Callable[[], None]) -> None:
    """Run it; what was wrong with what it was given is one message on standard error, and its exit status."""
    try:
        main()
    except StreamkitError as wrong:
        sys.stderr.write(f"error: {wrong}\n")
        sys.exit(wrong.exit_status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
