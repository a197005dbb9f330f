"""The supervisor: it starts, watches and restarts the processes of a team."""
