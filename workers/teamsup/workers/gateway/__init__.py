"""The gateway: one Discord connection for the whole team. ``discord_gateway`` is its process, and wires the rest.

The way of a question: ``inbox`` hears it and puts it into its place's queue; ``admission`` says whether and when it
is taken; ``intake`` stores it for user_comm. The way of an answer: the process claims it, ``outbox`` writes its pieces
down and says them one by one, and it is done in the hub only when Discord has them all. ``board`` shows by reactions
where each question stands. In the order of reading:

    connection          one connection at a time, kept up
      client              discord.py's client for one attempt
        lenient             what discord.py cannot read ends nothing
      line                what is known of that client's connection, and what follows from it. Pure
      causes              why it ended, in words, and what helps. Pure
      logins bot_token    how often it logs in, and with what
    inbox               every message, edit and deletion, once and in order
      place_queue         one place's order: what was missed comes before what is heard now
      catch_up places     what was missed, and where; how far each place is taken in
      happenings          what becomes of a message, an edit, a deletion
      heard attachments   what somebody wrote, and how the team is told of it; the files that came with it
      admission           whether and when it is taken, and what its author is told
        access rate         who may write, and how much in a minute. Pure
        strangers pairing   people whom nobody has let in; the codes that do so, and ``teamsup pair``
      intake              into the hub, in one transaction
      asking              asks Discord and the hub until they answer
    unheard             questions that user_comm does not read
    outbox              every answer, once and in order
      home_news           whose turn it is among what belongs to no conversation
      voice               whose words it says
      text markdown       a text becomes pieces or a file. Pure
      uploads progress    the files that agents send; one message that is edited
        sendable_files      which files may leave this machine
          packed              what is packed in one. Pure
          known_contents      what must not leave, known by its content
      written_pieces      what is about to be said, and how far that has come
      sending             one piece on its way: it is there once
      verdict             what an error means for what was to be said. Pure
      refused refusing    what becomes of a refused answer; which channels refuse everything, and since when
      notices             who waits for a refused answer is told elsewhere
    interactions        commands and buttons: acknowledged in time, told to user_comm
      slash_commands command_answers   which there are; answers where they were used
      decisions decision_answers   what buttons say. Pure; what became of it, into the message that has them
    board               reactions and typing
      questions stages    what is open, and where it stands
    snowflakes facts    what Discord's numbers mean in the hub; small facts that outlive the process

Words. Place: a channel, a thread or somebody's direct messages. Piece: one message on Discord, of the several that an
answer may need. Spot: where one piece goes. Relay: the message with which user_comm passed a question on. Whatever says
that it blocks is called in a thread, so that the one loop always answers Discord's heartbeats.
"""
