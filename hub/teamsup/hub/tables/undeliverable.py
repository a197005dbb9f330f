"""Messages to names that have never taken part."""

SELECT_UNDELIVERABLE = """
    SELECT recipient, count(*) FROM deliveries WHERE done_at IS NULL AND recipient NOT IN
      (SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL) GROUP BY recipient ORDER BY 1
"""
"""The names with waiting messages, with the number of messages."""
