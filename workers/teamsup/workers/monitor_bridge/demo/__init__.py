"""``teamsup demo``: stories of one alert, each shown by a temporary team on this machine."""
