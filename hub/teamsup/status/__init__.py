"""The status of a team: what its supervisor has published, together with what the hub knows."""
