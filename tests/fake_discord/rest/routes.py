"""Which path is what."""

from . import channels, interactions, messages
from .calls import Handler

_CHANNEL = "/channels/{channel}"
_MESSAGE = _CHANNEL + "/messages/{message}"
_EMOJI = _MESSAGE + "/reactions/{emoji}"
_ANSWER = "/webhooks/{application}/{token}"
_GUILD = "/guilds/{guild}"
_COMMANDS = "/applications/{application}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/users/@me", channels.me),
    ("GET", "/users/@me/channels", channels.own_dms),
    ("POST", "/users/@me/channels", channels.open_dm),
    ("GET", "/users/@me/guilds", channels.own_guilds),
    ("GET", "/users/{user}", channels.user),
    ("GET", "/oauth2/applications/@me", channels.application),
    ("GET", "/applications/@me", channels.application),
    ("GET", "/gateway", channels.gateway_url),
    ("GET", "/gateway/bot", channels.gateway_for_bot),
    ("GET", _GUILD, channels.guild),
    ("GET", _GUILD + "/channels", channels.guild_channels),
    ("GET", _GUILD + "/roles", channels.guild_roles),
    ("GET", _GUILD + "/members/{user}", channels.member),
    ("GET", _GUILD + "/threads/active", channels.active),
    ("GET", _CHANNEL, channels.channel),
    ("PATCH", _CHANNEL, channels.edit_channel),
    ("POST", _CHANNEL + "/typing", messages.start_typing),
    ("POST", _CHANNEL + "/threads", channels.thread_without_message),
    ("GET", _CHANNEL + "/threads/archived/public", channels.archived),
    ("PUT", _CHANNEL + "/thread-members/@me", channels.join_thread),
    ("GET", _CHANNEL + "/messages", messages.history),
    ("POST", _CHANNEL + "/messages", messages.create_message),
    ("GET", _MESSAGE, messages.one_message),
    ("PATCH", _MESSAGE, messages.edit),
    ("DELETE", _MESSAGE, messages.delete),
    ("POST", _MESSAGE + "/threads", channels.thread_from_message),
    ("PUT", _EMOJI + "/@me", messages.add_reaction),
    ("DELETE", _EMOJI + "/@me", messages.remove_own_reaction),
    ("DELETE", _EMOJI + "/{user}", messages.remove_reaction),
    ("GET", _EMOJI, messages.reaction_users),
    ("GET", _COMMANDS + "/commands", interactions.all_commands),
    ("PUT", _COMMANDS + "/commands", interactions.replace_commands),
    ("GET", _COMMANDS + _GUILD + "/commands", interactions.all_commands),
    ("PUT", _COMMANDS + _GUILD + "/commands", interactions.replace_commands),
]

# The token in the path is enough to answer.
WITHOUT_LOGIN: list[tuple[str, str, Handler]] = [
    ("POST", "/interactions/{interaction}/{token}/callback", interactions.create_response),
    ("POST", _ANSWER, interactions.follow_up),
    ("GET", _ANSWER + "/messages/{message}", interactions.answer_message),
    ("PATCH", _ANSWER + "/messages/{message}", interactions.edit_answer),
    ("DELETE", _ANSWER + "/messages/{message}", interactions.delete_answer),
]
