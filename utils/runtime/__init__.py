"""What runs a network: devices, several of them, several hosts, and inference on all of them.

A further runtime is an opener like ``tensorflow_runtime``, named in ``runtime.RUNTIMES``. What
writes its files belongs beside it.
"""
