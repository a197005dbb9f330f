"""The gateway connects the team to Discord: one process, one connection. ``discord_gateway`` wires the parts.

A question: ``inbound.inbox`` receives the event and queues it in its channel; ``access.admission`` decides whether and
when it is accepted; ``inbound.hub_writer`` stores it for user_comm.

An answer: the process claims it; ``outbound.outbox`` stores its chunks and sends them one by one. The hub's delivery is
complete only when Discord has them all. ``reactions`` show the status of each question; ``interactions`` serves
commands and buttons.

Every call that blocks runs in a thread, so that the event loop always answers Discord's heartbeats.
"""
