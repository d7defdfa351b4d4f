"""Backends that run graphs, and runners that compose them."""
