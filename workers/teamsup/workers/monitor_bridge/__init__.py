"""monitor-bridge: incidents from alerts and from its own checks, each escalated until somebody acts.

An alert goes through these packages, in this order:

    ingest        receives alerts over HTTP: authenticates a source, parses its payload, stores its alerts
      sources       one module for each vendor, which makes alerts of a payload. Pure
    checks        makes alerts of what this host, the team and the expected heartbeats say
    incidents     alerts, incidents and their groups: correlation, routes, texts, and the next step of an escalation
    escalation    carries out the steps, and takes acknowledgements and reports
    silences      silences a source about what somebody acknowledged

``bridge`` is the process, and wires the rest. ``incident_service`` is the one door to incidents: everything that
receives or checks goes through it. ``alerts_command`` and ``demo`` are commands of the command line.

One transaction stores what a source sent at once, and the incidents that come of it. docs/glossary.md explains the
words. A function that may block runs in a thread.
"""
