"""Which path is what."""

from . import rest_interactions, rest_messages, rest_places
from .calls import Handler

_CHANNEL = "/channels/{channel}"
_MESSAGE = _CHANNEL + "/messages/{message}"
_EMOJI = _MESSAGE + "/reactions/{emoji}"
_ANSWER = "/webhooks/{application}/{token}"
_GUILD = "/guilds/{guild}"
_COMMANDS = "/applications/{application}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/users/@me", rest_places.me),
    ("GET", "/users/@me/channels", rest_places.own_dms),
    ("POST", "/users/@me/channels", rest_places.open_dm),
    ("GET", "/users/@me/guilds", rest_places.own_guilds),
    ("GET", "/users/{user}", rest_places.user),
    ("GET", "/oauth2/applications/@me", rest_places.application),
    ("GET", "/applications/@me", rest_places.application),
    ("GET", "/gateway", rest_places.gateway_url),
    ("GET", "/gateway/bot", rest_places.gateway_for_bot),
    ("GET", _GUILD, rest_places.guild),
    ("GET", _GUILD + "/channels", rest_places.guild_channels),
    ("GET", _GUILD + "/roles", rest_places.guild_roles),
    ("GET", _GUILD + "/members/{user}", rest_places.member),
    ("GET", _GUILD + "/threads/active", rest_places.active),
    ("GET", _CHANNEL, rest_places.channel),
    ("PATCH", _CHANNEL, rest_places.edit_channel),
    ("POST", _CHANNEL + "/typing", rest_messages.start_typing),
    ("POST", _CHANNEL + "/threads", rest_places.thread_without_message),
    ("GET", _CHANNEL + "/threads/archived/public", rest_places.archived),
    ("PUT", _CHANNEL + "/thread-members/@me", rest_places.join_thread),
    ("GET", _CHANNEL + "/messages", rest_messages.history),
    ("POST", _CHANNEL + "/messages", rest_messages.send),
    ("GET", _MESSAGE, rest_messages.one_message),
    ("PATCH", _MESSAGE, rest_messages.edit),
    ("DELETE", _MESSAGE, rest_messages.delete),
    ("POST", _MESSAGE + "/threads", rest_places.thread_from_message),
    ("PUT", _EMOJI + "/@me", rest_messages.add_reaction),
    ("DELETE", _EMOJI + "/@me", rest_messages.remove_own_reaction),
    ("DELETE", _EMOJI + "/{user}", rest_messages.remove_reaction),
    ("GET", _EMOJI, rest_messages.reaction_users),
    ("GET", _COMMANDS + "/commands", rest_interactions.all_commands),
    ("PUT", _COMMANDS + "/commands", rest_interactions.replace_commands),
    ("GET", _COMMANDS + _GUILD + "/commands", rest_interactions.all_commands),
    ("PUT", _COMMANDS + _GUILD + "/commands", rest_interactions.replace_commands),
]

# Whoever has the token in the path may answer.
WITHOUT_LOGIN: list[tuple[str, str, Handler]] = [
    ("POST", "/interactions/{interaction}/{token}/callback", rest_interactions.callback),
    ("POST", _ANSWER, rest_interactions.follow_up),
    ("GET", _ANSWER + "/messages/{message}", rest_interactions.answer_message),
    ("PATCH", _ANSWER + "/messages/{message}", rest_interactions.edit_answer),
    ("DELETE", _ANSWER + "/messages/{message}", rest_interactions.delete_answer),
]
