"""Spikes to video: networks that turn counts of many sites into the clip on the screen, trained, scored, taken apart.

`fit.fit_spikes2video` trains on `material.Trials`; `streaming.fit_streaming` on the stream as it comes.
"""
