"""monitor-bridge turns alerts into incidents and follows each to its end. ``bridge`` is its process.

``ingest`` receives a source's request, authenticates it, and stores its alerts in one transaction; ``ingest.sources``
parses the payload of each vendor. ``checks`` examine the host, the team and expected heartbeats. ``incidents`` turns
alerts into incidents and groups. ``escalation`` notifies agents, then people, then a command, until somebody
acknowledges. ``silences`` keeps Alertmanager quiet meanwhile.

Every call that blocks runs in a thread.
"""
