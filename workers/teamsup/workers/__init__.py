"""The workers that come with teamsup. Each is a process of its own: ``python -m teamsup.workers.NAME``."""
