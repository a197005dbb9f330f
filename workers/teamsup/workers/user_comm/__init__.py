"""user_comm: people write to it. It forwards their questions to agents, and returns the answers.

A message goes through these modules, from the top down:

    user_comm_daemon   the worker: reads a message, passes it to a handler, and acts on the outcome
    classification     the kind of the message: a question, an edit, an answer, a report, an announcement …
    routing/           rules: the agents for a person's message; live_rules: the rules of a saved teamsup.toml
    commands           the commands that user_comm answers itself, such as /status
    requests/          forwarding: questions to agents, answers back; relays: the table of open questions;
                       follow_up and progress: reports to a waiting person, and reminders to an agent
    decisions/         service: agents ask, people decide; decision: the pure rules; table: the stored decisions;
                       rendering: the texts; decisions_command: ``teamsup decisions``
    announcements      messages to all people
    outcome            the result of handling a message
    conversations      the agents of each conversation, and its history
    people             the identity of a person, and the form of an agent's text for people
    forget_command     ``teamsup forget``
"""
