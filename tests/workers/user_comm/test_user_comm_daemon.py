"""What the daemon does with one message."""

from pathlib import Path

from helpers.mailbox import claim_next, receive, receive_next
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.user_comm.component import component
from teamsup.workers.user_comm.user_comm_daemon import UserCommDaemon


def read_mailbox(hub: MessageHub) -> None:
    UserCommDaemon(hub, Config(hub.team)).process_delivery(claim_next(hub))


def test_a_team_that_never_had_a_gateway_is_answered(tmp_path: Path) -> None:
    team = Team("alone", tmp_path / "alone")
    with (
        MessageHub(team, agent="user_comm") as hub,
        MessageHub(team, agent="console-ann") as ann,
        MessageHub(team, agent="lead") as lead,
    ):
        assert component.tables is not None
        hub.maintenance.use_component(component.tables)
        hub.register("daemon")
        ann.register("console")
        lead.register("agent")
        ann.send("user_comm", "Hello", conversation_id="console-ann:1")
        read_mailbox(hub)
        assert receive(ann).content == "Hi there! 👋"
        lead.send("user_comm", "Restart?", message_type="opinion_request", metadata={"deciders": ["discord:7"]})
        read_mailbox(hub)
        assert receive_next(lead).metadata["unknown_deciders"] == ["discord:7"]
