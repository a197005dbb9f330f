"""When the host's load becomes an alert."""

from support import PATIENCE, Command, eventually
from teamsup.hub import MessageHub
from teamsup.workers.monitor_bridge.bridge import judge

LIMITS = {"CPU": 90.0, "disk": 95.0}
CALM = frozenset[str]()


def test_a_limit_that_is_passed_is_said_once() -> None:
    alerted, news = judge({"CPU": 99.0, "disk": 10.0}, LIMITS, CALM)
    assert (alerted, news) == (frozenset({"CPU"}), ["CPU of this host is at 99 %, over its limit of 90 %."])

    assert judge({"CPU": 99.0, "disk": 10.0}, LIMITS, alerted) == (frozenset({"CPU"}), [])


def test_a_load_around_its_limit_does_not_flap() -> None:
    alerted, _ = judge({"CPU": 91.0}, LIMITS, CALM)

    alerted, news = judge({"CPU": 89.0}, LIMITS, alerted)
    assert (alerted, news) == (frozenset({"CPU"}), [])
    assert judge({"CPU": 91.0}, LIMITS, alerted) == (frozenset({"CPU"}), [])


def test_after_calm_the_next_time_is_news_again() -> None:
    alerted, _ = judge({"CPU": 84.0}, LIMITS, frozenset({"CPU"}))
    assert alerted == CALM

    assert len(judge({"CPU": 95.0}, LIMITS, alerted)[1]) == 1


def test_one_alert_reaches_the_recipient_and_a_restart_does_not_repeat_it(teamsup: Command) -> None:
    teamsup.team.create()
    teamsup.team.configuration.write_text(
        '[team]\nagents = ["lead"]\n[monitor-bridge]\nrecipient = "lead"\ninterval_seconds = 1\n'
        "cpu_percent = 100\nmemory_percent = 0.01\ndisk_percent = 100\n"
    )
    assert teamsup.run("start", "--detach").returncode == 0
    try:
        with MessageHub(teamsup.team, agent="lead") as lead:
            assert lead.wait(PATIENCE)
            (delivery,) = lead.claim()
            assert delivery.message.sender == "monitor-bridge"
            assert delivery.message.message_type == "notification"
            assert "over its limit of 0.01 %" in delivery.message.content
            lead.acknowledge(delivery)

            def figures() -> object:
                return next(agent for agent in lead.agents() if agent.name == "monitor-bridge").metadata

            eventually(lambda: "'alerted': ['memory']" in str(figures()), "the alert is remembered")
            pid = teamsup.ps()["monitor-bridge"]["pid"]
            assert teamsup.run("restart", "monitor-bridge").returncode == 0
            eventually(lambda: teamsup.ps()["monitor-bridge"]["pid"] not in (None, pid), "the restart")
            eventually(lambda: "memory" in teamsup.ps()["monitor-bridge"]["note"], "figures of the new process")
            assert lead.claim() == []
    finally:
        teamsup.run("stop")


def test_a_disk_that_is_not_there_is_a_matter_for_a_person(teamsup: Command) -> None:
    teamsup.team.create()
    teamsup.team.configuration.write_text('[monitor-bridge]\ndisk_path = "/nowhere"\n')
    assert teamsup.run("start", "--detach").returncode == 0
    try:
        bridge = eventually(
            lambda: (row := teamsup.ps()["monitor-bridge"])["state"] == "not configured" and row, "it gives up"
        )
        assert "disk_path cannot be measured" in bridge["note"]
        assert bridge["restarts"] == 0
    finally:
        teamsup.run("stop")
