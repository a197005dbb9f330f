"""After any actions in any order the hub follows its rules."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from helpers.support import run_foreign_sql
from hub.model import DeliveryModel
from teamsup.hub import Delivery, MessageHub, StaleLease, Team
from teamsup.hub.message_hub import BROADCAST_EXPIRY_SECONDS
from teamsup.hub.timestamps import parse_time

AGENTS = ("ann", "bob", "cid")
LEASE = 30.0
agents = st.sampled_from(AGENTS)
priorities = st.sampled_from(["low", "normal", "high", "urgent"])
conversations = st.sampled_from([None, None, "x", "y"])


class HubAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.team = Team("crew", self.folder / "crew")
        self.model = DeliveryModel(now=2_000_000_000.0)
        self.hubs: dict[str, MessageHub] = {}
        self.held: list[Delivery] = []

    @initialize()
    def open(self) -> None:
        self.hubs = {
            name: MessageHub(self.team, agent=name, durability="normal", clock=lambda: self.model.now)
            for name in AGENTS
        }
        for hub in self.hubs.values():
            hub.register()

    def teardown(self) -> None:
        for hub in self.hubs.values():
            hub.close()
        shutil.rmtree(self.folder)

    @rule(sender=agents, recipient=agents, priority=priorities, conversation=conversations, expires=st.booleans())
    def send(self, sender: str, recipient: str, priority: str, conversation: str | None, expires: bool) -> None:
        message = self.hubs[sender].send(
            recipient,
            "hi",
            priority=priority,
            conversation_id=conversation,
            expires_in=60 if expires else None,
            message_type="task_request" if expires else "message",
        )
        self.model.store(
            message.id,
            sender,
            [recipient],
            priority=priority,
            conversation=conversation,
            expires=self.model.now + 60 if expires else None,
            asks=expires,
        )

    @rule(sender=agents)
    def broadcast(self, sender: str) -> None:
        message = self.hubs[sender].broadcast("hi all")
        others = [name for name in AGENTS if name != sender]
        self.model.store(message.id, sender, others, expires=self.model.now + BROADCAST_EXPIRY_SECONDS)

    @rule(recipient=agents, number=st.integers(0, 10**9))
    def foreign_insert(self, recipient: str, number: int) -> None:
        ((message,),) = run_foreign_sql(
            self.team,
            "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, 'ann', ?, 'hi')"
            " ON CONFLICT (message_id) DO UPDATE SET content = excluded.content RETURNING id",
            str(number),
            recipient.upper(),
        )
        if message not in self.model.messages:
            self.model.store(message, "ann", [recipient])

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def foreign_processed(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.model.messages))
        if self.model.has_ended(message):
            return
        run_foreign_sql(self.team, "UPDATE messages SET status = 'processed' WHERE id = ?", message)
        ((recipient,),) = run_foreign_sql(self.team, "SELECT recipient FROM messages WHERE id = ?", message)
        if recipient is not None:
            for key, delivery in self.model.deliveries.items():
                if key[0] == message and delivery.state in ("ready", "leased"):
                    self.model.end(delivery, "done")

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def foreign_delete(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.model.messages))
        run_foreign_sql(self.team, "DELETE FROM messages WHERE id = ?", message)
        self.model.delete(message)

    @rule(agent=agents, limit=st.integers(1, 4))
    def claim(self, agent: str, limit: int) -> None:
        claimed = self.hubs[agent].claim(limit, lease=LEASE)
        self.model.apply_deadlines(agent)
        self.told()
        expected = self.model.claimable(agent, self.backoffs())
        assert [delivery.message.id for delivery in claimed] == [delivery.message for delivery in expected[:limit]]
        for delivery, modelled in zip(claimed, expected, strict=False):
            self.model.claim(modelled, delivery.lease_token, LEASE)
            assert delivery.attempts == modelled.attempts
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(data=st.data(), verb=st.sampled_from(["acknowledge", "extend", "release", "fail", "mark_read"]))
    def act(self, data: st.DataObject, verb: str) -> None:
        delivery = data.draw(st.sampled_from(self.held))
        hub = self.hubs[delivery.recipient]
        modelled = self.model.deliveries.get((delivery.message.id, delivery.recipient))
        options: dict[str, Any] = {"error": "no luck"} if verb == "fail" else {}
        do = getattr(hub, "release" if verb == "fail" else verb)
        if modelled is None or modelled.token != delivery.lease_token:
            with pytest.raises(StaleLease):
                do(delivery, **options)
            return
        do(delivery, **options)
        match verb:
            case "acknowledge":
                self.model.end(modelled, "done")
            case "extend":
                modelled.lease, modelled.lease_ends = 60, self.model.now + 60
            case "release":
                self.model.release(modelled)
            case "fail":
                self.model.fail(modelled)
        self.told()

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data(), even_if_read=st.booleans())
    def cancel(self, data: st.DataObject, even_if_read: bool) -> None:
        number = data.draw(st.sampled_from(self.model.messages))
        withdrawn = self.hubs["ann"].cancel(f"#{number}", even_if_read=even_if_read)
        expected = []
        for (message, recipient), delivery in self.model.deliveries.items():
            if message == number and (delivery.state == "ready" or (delivery.state == "leased" and even_if_read)):
                self.model.end(delivery, "cancelled")
                expected.append(recipient)
        assert sorted(withdrawn) == sorted(expected)

    @rule(seconds=st.sampled_from([0.2, 1.0, 10.0, LEASE, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.model.now += seconds

    @rule(hours=st.sampled_from([-24, -6, -1, 1, 24]))
    def the_clock_steps(self, hours: int) -> None:
        self.hubs["ann"].heartbeat()
        self.model.now += hours * 3600
        self.hubs["ann"].heartbeat()
        if hours < 0:
            self.model.clock_went_back()

    @rule(agent=agents)
    def crash(self, agent: str) -> None:
        """The process is gone, and with it what it knew; another one comes."""
        self.hubs[agent].close()
        self.hubs[agent] = MessageHub(self.team, agent=agent, durability="normal", clock=lambda: self.model.now)
        self.held = [delivery for delivery in self.held if delivery.recipient != agent]

    @rule()
    def expire(self) -> None:
        self.hubs["ann"].maintenance.apply_all_deadlines([])
        self.model.apply_deadlines()
        self.told()

    @rule()
    def retry(self) -> None:
        for delivery in self.model.deliveries.values():
            if delivery.state == "dead":
                assert self.hubs["bob"].maintenance.retry(f"#{delivery.message}", delivery.recipient) == 1
                self.model.requeue_dead(delivery)

    @rule(keep=st.integers(0, 6))
    def prune(self, keep: int) -> None:
        old = sorted(self.model.messages)[: max(0, len(self.model.messages) - keep)]
        gone = [message for message in old if self.model.has_ended(message)]
        assert self.hubs["cid"].maintenance.prune(keep=keep) == len(gone)
        for message in gone:
            self.model.delete(message)

    @invariant()
    def every_delivery_is_in_the_state_of_the_model(self) -> None:
        if self.hubs:
            rows = run_foreign_sql(self.team, "SELECT message, recipient, state, attempts FROM deliveries")
            assert {(message, recipient): (state, attempts) for message, recipient, state, attempts in rows} == {
                key: (delivery.state, delivery.attempts) for key, delivery in self.model.deliveries.items()
            }

    @invariant()
    def the_original_status_agrees(self) -> None:
        if self.hubs:
            rows = run_foreign_sql(self.team, "SELECT id, status FROM messages WHERE recipient IS NOT NULL")
            for message, status in rows:
                (state,) = [delivery.state for key, delivery in self.model.deliveries.items() if key[0] == message]
                assert status == {"ready": "pending", "leased": "processing", "done": "processed"}.get(state, state)

    def told(self) -> None:
        """The hub has told exactly whom it had to; what it told is a message like any other."""
        newest = max(self.model.messages, default=0)
        rows = run_foreign_sql(
            self.team,
            "SELECT m.id, m.recipient, m.conversation_id, answered.id FROM messages AS m"
            " LEFT JOIN messages AS answered ON answered.message_id = m.reply_to WHERE m.sender = 'hub' AND m.id > ?",
            newest,
        )
        assert sorted((recipient, about) for _, recipient, _, about in rows) == sorted(self.model.notified)
        self.model.notified.clear()
        for message, recipient, conversation, _ in rows:
            self.model.store(message, "hub", [recipient], conversation=conversation)

    def backoffs(self) -> dict[tuple[int, str], float]:
        """When each backoff really ends, once found to be between its bounds."""
        ends = {}
        rows = run_foreign_sql(
            self.team, "SELECT message, recipient, available_at FROM deliveries WHERE state = 'ready'"
        )
        for message, recipient, text in rows:
            available = parse_time(text)
            bounds = self.model.deliveries[message, recipient].backoff
            if available is not None:
                assert bounds is not None
                assert bounds[0] - 0.001 <= available.timestamp() <= bounds[1]
                ends[message, recipient] = available.timestamp()
        return ends


QUICK = settings(max_examples=12, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
HubAgainstModel.TestCase.settings = QUICK
TestHubAgainstModel = HubAgainstModel.TestCase

if __name__ == "__main__":
    examples = int(sys.argv[1])
    run_state_machine_as_test(HubAgainstModel, settings=settings(QUICK, max_examples=examples))
    print(f"model: {examples} random histories, no difference")
