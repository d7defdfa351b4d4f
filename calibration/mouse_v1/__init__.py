"""Pictures from mouse V1: encoders, what inverts them, and decoders, trained, scored, taken apart.

`fit_encoder.fit_encoder` and `fit_decoder.fit_decoder` train on `material.Animal`; `inversion.invert` needs an encoder
alone; `latents` and `features` go through networks that others have trained, from files that the user has.
"""
