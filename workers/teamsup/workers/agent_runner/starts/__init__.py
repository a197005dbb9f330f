"""Decide the starts of runs: causes, schedules, limits. All of it is pure except the reads of the table."""
