"""The process of agent-runner: starts agents for messages, for people and by schedules, and sees each run through."""

from typing import ClassVar

from teamsup.config.loader import Config
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import Delivery, MessageHub, OptionalNotConfigured

from ..worker import Worker, main
from .component import component
from .sections import AgentSection


class AgentRunner(Worker):
    """Start agents when there is a cause, within their limits."""

    name: ClassVar[str] = AGENT_RUNNER

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        if not settings.sections_of("agent", AgentSection):
            raise OptionalNotConfigured(
                "No agent: add a section [agent.NAME] with a start to teamsup.toml, then run: teamsup reload"
            )

    async def handle(self, delivery: Delivery) -> None:
        self.hub.acknowledge(delivery, outcome="not understood")


if __name__ == "__main__":
    main(AgentRunner, component.tables)
