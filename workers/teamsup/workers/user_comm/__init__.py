"""user_comm: people write to it, and it brings their questions to agents and the answers back.

A message goes through these modules, from the top down:

    user_comm_daemon   the worker: reads a message, hands it on, and does what the outcome says
    classification     what the message is: a question, an edit, an answer, a report, an announcement …
    routing/           rules: which agents get a person's line; live_rules: the same from a teamsup.toml that changes
    commands           the commands that user_comm answers itself, such as /status
    requests/          forwarding: questions to agents, answers back; relays: the table of what is open;
                       follow_up and progress: what a person sees while they wait, and when an agent is reminded
    decisions/         service: agents ask, people decide; decision: what counts, pure; table: where it is kept;
                       rendering: how it reads; decisions_command: ``teamsup decisions``
    announcements      announcements to all people
    outcome            what came of a message
    conversations      which agents a conversation is assigned to, and what was written in it
    people             who a person is, and how an agent's words are shown to them
    forget_command     ``teamsup forget``
"""
