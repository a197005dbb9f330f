"""What may start, and when: causes, schedules, limits. All of it is pure but for the table that it asks."""
