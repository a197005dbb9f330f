"""monitor-bridge: incidents from alerts and from its own checks, each escalated until an agent or a person acts.

An alert goes through these packages, in this order:

    ingest        receives alerts over HTTP: authenticates a source, parses its payload, stores its alerts
      sources       one module for each vendor, which turns a payload into alerts. Pure
    checks        checks this host, the team and the expected heartbeats, and makes alerts
    incidents     alerts, incidents and their groups: correlation, routes, texts, pings, and the next escalation step
    escalation    takes the steps, handles acknowledgements and reports, silences acknowledged alerts at their source
    mutes         keeps incidents from notifying agents and people for a time

``bridge`` is the process, which connects all parts. ``incident_service`` is the only way to change incidents: every
part that receives alerts or checks uses it. ``alerts_command`` and ``demo`` are commands of the command line.

One transaction stores the alerts of one request, and the incidents that result from them. docs/glossary.md explains the
words. A function that may block runs in a thread.
"""
