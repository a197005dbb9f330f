"""One Claude Code session's part in the team. Imports what is heavy, so nothing else of the hub imports it."""
