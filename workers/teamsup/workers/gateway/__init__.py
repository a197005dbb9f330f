"""The gateway connects the team to Discord, with one process and one connection.

``discord_gateway`` looks for the token, and loads ``app`` only if it finds one. ``app`` connects the parts.

A question: ``inbound.inbox`` receives the event and queues it in its channel; ``access.admission`` decides whether and
when it is accepted; ``inbound.hub_writer`` stores it for user_comm.

An answer: ``app`` claims it, and ``outbound.kinds`` decides which part sends it. ``outbound.outbox`` stores its chunks
and sends them one by one; ``interactions`` answers commands and presses of buttons. Each part returns an
``outbound.outcome``, and only ``app`` ends the delivery. A message is complete only when Discord has all its chunks.
``reactions`` show the status of each question. ``tables`` keep chunks, channels and small values.

Every call that blocks runs in a thread, so that the event loop always answers Discord's heartbeats.
"""
