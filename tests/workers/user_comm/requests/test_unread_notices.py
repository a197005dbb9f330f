"""The last step of the wake ladder: nobody reads, so the person who asked gets a notice."""

from collections.abc import Iterator

import pytest

from helpers.mailbox import receive_next
from helpers.support import TeamsupCommand
from teamsup.hub import MessageHub


@pytest.fixture
def team_of_a_silent_agent(teamsup: TeamsupCommand) -> Iterator[TeamsupCommand]:
    """A team whose gcp-monitor is here and reads nothing."""
    teamsup.team.create()
    teamsup.team.configuration.write_text(
        '[team]\nagents = ["gcp-monitor"]\nunread_seconds = 1\n'
        '[monitor-bridge]\nrecipient = "gcp-monitor"\ninterval_seconds = 1\n'
        "watch_host = true\nmemory_percent = 0.01\ncpu_percent = 100\ndisk_percent = 100\n"
        "load_per_cpu = 0\nswap_percent = 0\n"
        '[worker.monitor-bridge]\nautostart = false\nenvironment = { TEAMSUP_HEARTBEAT_SECONDS = "1" }\n'
        '[worker.user_comm]\nenvironment = { TEAMSUP_HEARTBEAT_SECONDS = "1" }\n'
        "[worker.gateway]\nautostart = false\n"
    )
    with MessageHub(teamsup.team, agent="gcp-monitor") as hub:
        hub.register()
        assert teamsup.run("start", "--detach").returncode == 0
        yield teamsup
        teamsup.run("stop")


@pytest.mark.slow
def test_a_person_is_notified_once_that_nobody_has_read_their_question(team_of_a_silent_agent: TeamsupCommand) -> None:
    with MessageHub(team_of_a_silent_agent.team, agent="console-ann") as ann:
        ann.register("console")
        question = ann.send("user_comm", "@gcp-monitor how is the load?")
        news = receive_next(ann)
        assert news.content == "gcp-monitor is online and has not read this yet; I keep your message (#2)."
        assert (news.message_type, news.reply_to) == ("status_report", question.message_id)
        with MessageHub(team_of_a_silent_agent.team, agent="gcp-monitor") as gcp:
            (delivery,) = gcp.claim()
            gcp.reply(delivery, "low")
        assert receive_next(ann).content == "gcp-monitor: low"


def test_a_person_who_knows_that_an_agent_is_away_is_not_notified_again(team_of_a_silent_agent: TeamsupCommand) -> None:
    with MessageHub(team_of_a_silent_agent.team, agent="console-ann") as ann:
        ann.maintenance.mark_offline("gcp-monitor")
        ann.register("console")
        ann.send("user_comm", "@gcp-monitor how is the load?")
        assert "gcp-monitor is offline since" in receive_next(ann).content
        assert ann.queries.trace("#2")[0].offered_at is None
        with MessageHub(team_of_a_silent_agent.team, agent="user_comm") as user_comm:
            assert user_comm.wake_ladder.overdue_unread(0) == []


@pytest.mark.slow
def test_an_alert_that_no_agent_reads_goes_to_people(team_of_a_silent_agent: TeamsupCommand) -> None:
    with MessageHub(team_of_a_silent_agent.team, agent="console-ann") as ann:
        ann.register("console")
        assert team_of_a_silent_agent.run("start", "monitor-bridge").returncode == 0
        news = receive_next(ann)
        assert news.content.startswith("monitor-bridge: gcp-monitor is online and has not read this alert (#")
        assert "over its limit of 0.01 %" in news.content
        assert news.priority == "high"
