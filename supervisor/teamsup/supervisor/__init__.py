"""The supervisor: the command line, and the processes it starts and watches."""
