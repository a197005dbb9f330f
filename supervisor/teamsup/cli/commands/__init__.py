"""One module per command, imported only when it is called.

Each has ``add_arguments(parser)`` and ``run(arguments)``, which returns the exit code.
"""
