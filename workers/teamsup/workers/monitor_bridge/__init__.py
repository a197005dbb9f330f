"""monitor-bridge: what monitoring has to say, as incidents that end. ``bridge`` is its process, and wires the rest.

The way of an alert: ``listener`` hears a source, ``sources`` makes alerts of what it sends, ``intake`` hands them on in
one transaction; ``incidents`` makes incidents of them, and ``ladder`` sees each through until somebody acts, which
``care`` notes. In the order of reading:

    alert               what a source said about one problem, in the one form for all. Pure
    listener            hears the sources over HTTP; 200 only when it is stored
      hearing             whether there is anybody to be heard: brings in HTTP only then
      connections         bounded, so that strangers lock nobody out
      admission           what is refused before its secret is looked at. Pure
      port                why it cannot be had
      proof               the secret of a source
      body                what a request carries, within bounds
      sources             a module for each vendor's form, and fields: reading what strangers wrote. Pure
      intake              what arrives together is stored together
      refused             what nobody could make sense of, kept for a person
    watch               what we look at by ourselves
      host members watchdogs    CPU and disk; the team's agents and workers, pure; expected signs of life, pure
      steady              a problem begins and ends only after several looks agree. Pure
    incidents           what the sources say, taken in and seen through: the one door for all that hears or looks
      taking              alerts become incidents: folded, grouped, muted, gathered in a flood
      incident            incidents as they stand in the database, for all who look
      routes              which agents an alert goes to, one after another
      conversation        what is told and seen through as one, and the messages that told of it
      texts               how it is put to agents and to people: bounded, framed. Pure
    ladder              the escalation carried out
      escalation          what to do next when nobody has acted yet: a table. Pure
      last_resort         the command that is run in the end
    care                acknowledgements, and what agents report
    quiet silence       has Alertmanager be quiet about what somebody takes care of; what it is asked for that
    staleness           what its source does not repeat as it should
    alerts_command demo_command    ``teamsup alerts``, ``teamsup demo``

Words. Source: who sends alerts, a [source.NAME]. Thing: what is wrong with what, whatever the severity. Group: what its
source tells together. Conversation: a single incident, a group or a flood; known by its ``first`` incident. Told, rung,
people, command: the steps of the escalation. Whatever blocks is called in a thread.
"""
