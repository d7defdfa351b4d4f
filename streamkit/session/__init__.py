"""A live session: a bundle decoding a stream, in one thread, from the first sample to the last outlet."""

from streamkit.session.options import SessionOptions
from streamkit.session.session import Session

__all__ = ["Session", "SessionOptions"]
