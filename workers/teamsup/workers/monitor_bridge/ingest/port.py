"""Explain why the listener's port is not available, with the remedy."""

import errno
import os

import psutil

from ...listen_address import ListenAddress


def explain_bind_error(listen: ListenAddress, error: OSError) -> str:
    """Return two sentences for people. This may take a moment."""
    address = f"{listen.host}:{listen.port}"
    match error.errno:
        case errno.EADDRINUSE:
            why, todo = (
                f"{address} is in use by {_find_holder(listen.port)}",
                "Stop that, or change listen in [monitor-bridge]",
            )
        case errno.EACCES:
            why, todo = (
                f"{address} needs rights that monitor-bridge does not have",
                "Change listen in [monitor-bridge] to a port above 1023",
            )
        case errno.EADDRNOTAVAIL:
            why, todo = f"{listen.host} is not an address of this machine", "Change listen in [monitor-bridge]"
        case _:
            why, todo = f"{address}: {os.strerror(error.errno or 0)}", "Change listen in [monitor-bridge]"
    return f"The sources cannot reach monitor-bridge, because {why}. {todo}."


def _find_holder(port: int) -> str:
    """Return the program that listens on the port, if this user may see it."""
    try:
        pids = [
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid
        ]
        return f"{psutil.Process(pids[0]).name()} (pid {pids[0]})" if pids else "a program of another user"
    except (psutil.Error, OSError):
        return "another program"
