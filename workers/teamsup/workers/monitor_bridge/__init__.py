"""monitor-bridge: what monitoring has to say, as incidents that end."""
