"""The processes of runs: started, taken over, ended, and swept by their mark."""
