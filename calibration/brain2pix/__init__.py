"""Brain2Pix: films reconstructed from fMRI through images of where voxels look, trained, scored, taken apart.

`fit.fit_brain2pix` trains on a `material.Movie`; `nishimoto` finds frames again; `fields` asks a film where voxels
look.
"""
