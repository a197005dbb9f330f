"""user_comm: between people and the team."""
