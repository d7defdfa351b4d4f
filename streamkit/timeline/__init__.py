"""Time of a stream, one rule for live and offline: corrected stamps, gaps, samples sent twice, the true rate."""

from streamkit.timeline.line import Corrected, Timeline
from streamkit.timeline.rate import effective_rate

__all__ = ["Corrected", "Timeline", "effective_rate"]
