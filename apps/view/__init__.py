"""The window: its own process, fed only by LSL, newest first.

::

    feed ──► state/ (no Qt, own tests) ──► panels/ (one file renders one state) ──► window
"""
