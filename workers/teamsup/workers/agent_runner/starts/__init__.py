"""Decide which runs start: causes, schedules, limits. All functions are pure, except those that read the tables."""
