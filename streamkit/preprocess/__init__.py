"""The only signal processing in the repository."""
