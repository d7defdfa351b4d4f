"""Measured figures: the jobs, the processes that do them, and the arithmetic over what they took."""
