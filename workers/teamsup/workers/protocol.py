"""The protocol between workers: their names, their message types, their metadata keys.

Names that other packages need too, such as ``user_comm``, are in ``teamsup.config.people_protocol``.
"""

GATEWAY = "gateway"
"""The worker through which people on Discord write and read."""

MONITOR_BRIDGE = "monitor-bridge"
"""The worker that keeps the incidents."""

WEB = "web"
"""The worker that shows the team in a browser."""

COMMAND_TYPE = "command"
"""The message type of a command that a person has chosen from a menu."""

EDITED_TYPE, DELETED_TYPE = "edited", "deleted"
"""Message types that report an edit or deletion by a person, or a change by user_comm of a forwarded question."""

ANNOUNCED_TYPES = ("notification", "status_report")
"""Message types that user_comm announces to all people, so the gateway does not show them itself."""

CLOSE_BUTTONS = "close_buttons"
"""The type of a message that disables the buttons of the answered message, and gives the reason. A worker also uses it
as a metadata key, to name the messages whose buttons user_comm must disable.
"""

SOURCE_KEY = "source"
"""The metadata key with which user_comm names the message that it forwards."""

QUESTION_KEY = "question"
"""The metadata key with which user_comm names the question that it asks an agent."""

SENT_ELSEWHERE = "sent to "
"""The beginning of a delivery's outcome if the gateway sent the message to another conversation, such as a question's
thread. The conversation's id follows.
"""

NOT_FOR_DISCORD = "not for Discord"
"""The outcome of a delivery that the gateway does not send to Discord."""

PAIRED_KEY = "paired"
"""The key in the gateway's presence with the Discord ids of paired users."""
NAMED_PEOPLE_KEY = "quotes"
"""The metadata key for the people whom the text names or quotes: ``teamsup forget`` removes the message with them."""
