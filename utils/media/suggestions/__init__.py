"""The photos most worth labelling next: ``predict.py --suggest``.

``uncertainty`` says how unsure the detector is of a photo, ``features`` how a photo looks,
``choice`` takes unsure photos that differ, ``suggest`` runs all of it, ``suggestions_page`` shows
the result.
"""
