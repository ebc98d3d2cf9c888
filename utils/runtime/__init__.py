"""What runs a network: devices, several of them, several hosts, and inference on all of them.

A further runtime is an opener like ``onnx_runtime``, named in ``names.RUNTIMES``. What writes its
files belongs in ``export``.
"""
