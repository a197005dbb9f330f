"""The part of one Claude Code session in the team. Its imports are heavy, so the hub does not import it."""
