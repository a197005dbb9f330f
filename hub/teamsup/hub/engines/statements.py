"""Statements for which an engine may have another text. The texts here are those for SQLite."""

SELECT_BY_MESSAGE_ID = "SELECT * FROM messages WHERE message_id IN (?, CAST(? AS BLOB))"
"""The message with a message_id, as text or as bytes, because a foreign program may have stored bytes."""

INSERT_MESSAGE = (
    "INSERT INTO messages (message_id, sender, recipient, message_type, content, priority, metadata, created_at,"
    " expires_at, conversation_id, reply_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""Store a message, whose ``id`` is the ``lastrowid`` of the result. In SQLite a RETURNING takes 15 µs more. If an
interrupt leaves it open, nothing can be committed.
"""

SELECT_FOR_CLAIM = (
    "SELECT d.attempts AS claims, d.message, m.* FROM deliveries AS d LEFT JOIN messages AS m ON m.id = d.message"
    " WHERE d.recipient = ? AND d.state = 'ready' AND d.is_head = 1 AND d.available_at IS NULL"
    " ORDER BY d.rank, d.message LIMIT ?"
)
"""The first claimable deliveries. No other reader may claim them before this transaction ends."""

IS_CLAIMABLE = """
    recipient = :me AND state = 'ready' AND is_head = 1 AND available_at IS NULL
      AND (expires_at IS NULL OR expires_at > :now)
"""
"""The condition of deliveries that ``me`` could claim now."""

SELECT_ANY_CLAIMABLE = f"""
    SELECT 1 FROM deliveries
    WHERE {IS_CLAIMABLE} AND (CAST(:steps AS INTEGER) IS NULL OR wake_steps & :steps = 0) LIMIT 1
"""  # noqa: S608

SELECT_NEXT_DUE = """
    SELECT min(due) FROM (
      SELECT min(available_at) AS due FROM deliveries
        WHERE recipient = :me AND state = 'ready' AND available_at IS NOT NULL
      UNION ALL
      SELECT min(lease_expires_at) FROM deliveries WHERE recipient = :me AND state = 'leased'
      UNION ALL
      SELECT min(expires_at) FROM deliveries WHERE recipient = :me AND state = 'ready' AND expires_at IS NOT NULL
    ) AS deadlines
"""
"""The next deadline of a mailbox."""
