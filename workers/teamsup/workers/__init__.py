"""The workers of teamsup. Each is a separate process: ``python -m teamsup.workers.NAME``."""
