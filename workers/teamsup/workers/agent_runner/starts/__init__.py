"""Decide the starts of runs: causes, schedules, limits. All functions are pure, except the reads of the table."""
