"""The programs with which a Claude Code session takes part in the team. Their imports are heavy, so the hub does not
import them.
"""
