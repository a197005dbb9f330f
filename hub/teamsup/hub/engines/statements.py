"""Statements for which an engine may have another text. They are written here as SQLite runs them."""

SELECT_BY_MESSAGE_ID = "SELECT * FROM messages WHERE message_id IN (?1, CAST(?1 AS BLOB))"
"""The message of a message_id, which SQLite may have stored as bytes."""

SELECT_FOR_CLAIM = (
    "SELECT d.attempts AS claims, d.message, m.* FROM deliveries AS d LEFT JOIN messages AS m ON m.id = d.message"
    " WHERE d.recipient = ? AND d.state = 'ready' AND d.is_head = 1 AND d.available_at IS NULL"
    " ORDER BY d.rank, d.message LIMIT ?"
)
"""The first claimable deliveries. No other reader may claim them before this transaction ends."""
