"""The processes of runs: start them, take them over, end them, and kill orphans by their mark."""
