"""Faults that befall a running command: it is killed, the disk is full, the folder goes away.

``python -m tests.faults --out DIR`` provokes them and prints what came of it. After each fault
every file must be whole or absent, and the next run must go on. The networks are tiny, and the
commands run in forks of one process, which has imported everything: so a run takes seconds.
"""
