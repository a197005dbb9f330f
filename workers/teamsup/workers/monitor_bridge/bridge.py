"""monitor-bridge: what the host and its monitoring have to say, as messages to the team."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import psutil

from teamsup.hub import Agent, Delivery, Message, MessageHub, NotConfigured, TeamsupError
from teamsup.hub.sections import MonitorSection
from teamsup.hub.settings import Settings
from teamsup.hub.wording import presence

from ..worker import Worker, main

_CALM = 5.0  # percentage points below the limit before the same alert may be raised again, so that nothing flaps


def judge(
    load: Mapping[str, float], limits: Mapping[str, float], alerted: frozenset[str]
) -> tuple[frozenset[str], list[str]]:
    """Which resources are over their limit now, and a sentence for each that was not before."""
    over = {unit for unit in load if load[unit] > limits[unit]}
    calm = {unit for unit in load if load[unit] < limits[unit] - _CALM}
    news = [
        f"{unit} of this host is at {load[unit]:.0f} %, over its limit of {limits[unit]:g} %."
        for unit in sorted(over - alerted)
    ]
    return (alerted | over) - calm, news


class MonitorBridge(Worker):
    """Reports the host's load as its status and raises an alert when a limit is passed."""

    name: ClassVar[str] = "monitor-bridge"

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        self._section = settings.section(self.name, MonitorSection)
        self._limits = {
            "CPU": self._section.cpu_percent,
            "memory": self._section.memory_percent,
            "disk": self._section.disk_percent,
        }
        self._load: dict[str, float] = {}
        # A restart must not raise again what the team knows already.
        mine = hub.agent_named(self.name)
        known = mine.metadata.get("alerted") if mine is not None else None
        self._alerted = frozenset(unit for unit in self._limits if isinstance(known, list) and unit in known)
        hub.enroll(self._section.recipient)
        try:
            self._measure()
        except (OSError, ValueError) as error:
            raise NotConfigured(f"{settings.path}: [monitor-bridge] disk_path cannot be measured: {error}.") from error

    def details(self) -> dict[str, Any]:
        note = ", ".join(f"{unit} {percent:.0f} %" for unit, percent in self._load.items())
        return {"note": note, "alerted": sorted(self._alerted)}

    async def work(self) -> None:
        while True:
            # CPU is measured between two calls, and the moment of the start says nothing about the host.
            await asyncio.sleep(self._section.interval_seconds if self._load else 1)
            self._load = self._measure()
            alerted, news = judge(self._load, self._limits, self._alerted)
            try:
                await self.in_thread(self._raise_alerts, news)
            except TeamsupError as error:
                self.log.error("the alert could not be sent and will be raised again: %s", error)
                continue
            self._alerted = alerted
            await self.beat()

    def _raise_alerts(self, news: list[str]) -> None:
        with self.hub.transaction():
            for sentence in news:
                self.log.warning("%s", sentence)
                self.hub.send(self._section.recipient, sentence, message_type="notification", priority="high")

    def still_unread(self, message: Message, agent: Agent) -> None:
        """An alert that no agent reads is for a person."""
        if message.message_type != "notification" or agent.name == "user_comm":
            return
        how = presence(agent, datetime.now(UTC))
        sentence = f"{agent.name} is {how} and has not read this alert (#{message.id}): {message.content}"
        self.hub.send("user_comm", sentence, message_type="notification", priority=message.priority)

    def _measure(self) -> dict[str, float]:
        return {
            "CPU": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "disk": psutil.disk_usage(self._section.disk_path).percent,
        }

    async def handle(self, delivery: Delivery) -> None:
        if delivery.message.recipient is None or delivery.message.reply_to is not None:
            await self.in_thread(self.hub.acknowledge, delivery)
        else:
            await self.in_thread(self.hub.reply, delivery, self.details()["note"] or "No figures yet.")


if __name__ == "__main__":
    main(MonitorBridge)
