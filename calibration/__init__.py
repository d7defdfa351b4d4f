"""Offline: datasets, training, evaluation, export."""
