"""``make gpu-check``: whether training, scoring and prediction do on this machine's GPUs what they
do on the CPU, how fast they are, and where the time goes.

``plan`` says how much is done, ``checks`` has the checks in their order. Each is a function that
returns a ``Result``. A check computes in processes of its own (``processes``), because TensorFlow
divides its devices once, and because a driver that fails takes its process with it. These are the
project's commands, or ``worker`` with one of its tasks. ``report`` writes the Markdown.
"""
