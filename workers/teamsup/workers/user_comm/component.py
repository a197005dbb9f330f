"""user_comm as a component of a team."""

from teamsup.config.components import Component
from teamsup.config.sections import MessageRouteSection, UserCommSection

component = Component(
    name="user_comm",
    command="teamsup.workers.user_comm.user_comm_daemon",
    section=UserCommSection,
    groups={"message_route": MessageRouteSection},
    follows_sections=True,
    rank=10,
)
