"""The gateway: one Discord connection for the whole team."""
