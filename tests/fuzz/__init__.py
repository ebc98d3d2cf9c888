"""Fuzzing: files and requests made up at random, guided by the code that they reach.

``python -m tests.fuzz --minutes 30`` (or ``make fuzz MINUTES=30``) runs every target with Atheris.
``tests/test_fuzz.py`` runs each for a moment without it. A target is a file in ``targets``.
"""
