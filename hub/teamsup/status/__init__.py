"""The status of a team: the state that its supervisor has published, together with facts from the hub."""
