"""What signals are like, whoever made them: representations, spectra, connections between channels."""
