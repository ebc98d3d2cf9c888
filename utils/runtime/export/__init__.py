"""Writing a checkpoint as a file for another runtime.

``export.export`` is the whole of it. One file here writes one format, in a process of its own:
converters leak memory, change global state and print much.
"""
