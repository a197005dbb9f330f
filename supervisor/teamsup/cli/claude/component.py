"""The fork server as a component of a team."""

from teamsup.config.components import Component

component = Component(
    name="fork-server",
    command="teamsup.cli.claude.fork_server",
    sends_heartbeats=False,
    has_guests=True,
    # Start it after the workers that people wait for.
    rank=90,
)
