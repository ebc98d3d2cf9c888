"""A corpus of bad input: files from strangers that are broken, huge or hostile, and what each
command does with them.

``python -m tests.bad_input --out DIR`` writes all files into DIR; nothing dangerous is kept in the
repository. With ``--table`` every command that can meet a case is run on it, and the outcomes are
printed.
"""
