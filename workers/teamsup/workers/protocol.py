"""The protocol between workers: their names, their message types, their metadata keys.

Names that other parts need too, such as user_comm's, stand in ``teamsup.config.people_protocol``.
"""

GATEWAY = "gateway"
"""The worker through which people on Discord write and read."""

MONITOR_BRIDGE = "monitor-bridge"
"""The worker that keeps the incidents."""

COMMAND_TYPE = "command"
"""The message type of a command that a person has chosen from a menu."""

EDITED_TYPE, DELETED_TYPE = "edited", "deleted"
"""The message types that tell what a person has done to a message, or user_comm to a question that it passed on."""

ANNOUNCED_TYPES = ("notification", "status_report")
"""The message types that user_comm announces wherever people are, so that the gateway need not show them itself."""

CLOSE_BUTTONS = "close_buttons"
"""The message type of what disables the buttons of the message that it answers, and says why. As a metadata key: the
messages whose buttons a worker wants to have disabled."""

SOURCE_KEY = "source"
"""The metadata key with which user_comm names the message whose words it brings."""

SENT_ELSEWHERE = "sent to "
"""How the outcome of a delivery to the gateway begins if it was sent to another conversation than that of the message,
such as the thread of a question. The conversation follows."""

NOT_FOR_DISCORD = "not for Discord"
"""The outcome of a delivery to the gateway that nobody on Discord gets."""

PAIRED_KEY = "paired"
"""The key in the gateway's presence with the numbers of the people on Discord who have paired."""
