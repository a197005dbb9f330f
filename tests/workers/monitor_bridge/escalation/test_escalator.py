"""What is said to whom until somebody takes care of an alert."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.hub import CallerError, Message
from teamsup.workers.monitor_bridge.incidents import listing
from teamsup.workers.monitor_bridge.incidents.group_table import IncidentGroup
from teamsup.workers.monitor_bridge.incidents.incident import UnknownIncident


@pytest.fixture
def desk(join: Join) -> IncidentHarness:
    return IncidentHarness(join, ack_timeout_seconds=180.0)


def test_an_agent_that_reads_and_does_not_act_is_reminded_then_the_next_then_people(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.advance(179)
    assert desk.read("alert-manager") == []

    desk.advance(1)
    (again,) = desk.read("alert-manager")
    assert f"alert-manager has read this alert (#{first.id}) and has not answered for 3m 0s" in again.content
    desk.advance(180)
    (handed_on,) = desk.read("lead")
    assert f"alert-manager has read this alert (#{again.id})" in handed_on.content
    assert desk.read("user_comm") == []
    desk.advance(180)
    assert len(desk.read("lead")) == 1
    desk.advance(180)
    (told,) = desk.read("user_comm")
    assert told.content.startswith("lead has read this alert")
    assert told.message_type == "notification"
    assert {message.conversation_id for message in (first, again, handed_on, told)} == {first.conversation_id}

    assert desk.advance(99999).next_due is None
    assert desk.read("user_comm") == []


def test_an_agent_that_does_not_read_is_reminded_with_one_message(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.unread("alert-manager")
    desk.advance(60)
    (again,) = desk.unread("alert-manager")
    assert again.id != first.id
    assert f"alert-manager is online and has not read this alert (#{first.id})" in again.content

    desk.advance(60)
    assert desk.unread("alert-manager") == []
    assert len(desk.read("lead")) == 1


def test_people_are_paged_at_once_when_no_agent_is_awake(join: Join) -> None:
    desk = IncidentHarness(join, here=(), mention=(42,))
    desk.ingest(replace(FIRING, severity="critical"))

    (told,) = desk.read("user_comm")
    number = desk.open[0].id
    assert told.content.startswith("No agent is present to take this: alert-manager is offline")
    assert told.priority == "urgent"
    assert told.metadata["commands"] == {"Acknowledge": f"/ack {number}"}
    assert told.metadata["ping"] == ["42"]
    assert f"/ack {number} acknowledges it" in told.content
    # And an agent finds it when it comes.
    assert len(desk.read("alert-manager")) == 1


def test_people_are_paged_at_once_when_the_agent_leaves(join: Join) -> None:
    desk = IncidentHarness(join, here=("alert-manager",))
    desk.ingest(FIRING)
    assert desk.read("user_comm") == []
    desk.leave("alert-manager")
    desk.advance(1)
    (told,) = desk.read("user_comm")
    assert "alert-manager is offline" in told.content


def test_nobody_is_pinged_for_what_only_informs(join: Join) -> None:
    desk = IncidentHarness(join, here=(), mention=(42,))
    desk.ingest(replace(FIRING, severity="info"))
    (told,) = desk.read("user_comm")
    assert told.metadata["ping"] == []
    assert told.priority == "normal"


def test_the_command_comes_when_people_do_not_act_either(join: Join) -> None:
    desk = IncidentHarness(join, here=(), command=("true",))
    desk.ingest(FIRING)
    assert desk.advance(179).commands == ()
    assert desk.advance(1).commands == (desk.open[0].id,)
    desk.incidents.escalator.mark_command_run(desk.open[0].id)
    assert desk.advance(9999).commands == ()


def test_no_command_wakes_anybody_for_what_only_informs(join: Join) -> None:
    desk = IncidentHarness(join, here=(), command=("true",))
    desk.ingest(replace(FIRING, severity="info"))
    assert desk.advance(9999).commands == ()


def test_an_answer_ends_the_escalation_and_goes_to_people(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.say("alert-manager", "A cron job; it ends in a minute.", first)

    (report,) = desk.read("user_comm")
    assert report.content == (
        f'alert-manager on incident {desk.open[0].id}, "HighCPU on web-01": A cron job; it ends in a minute.'
    )
    assert report.conversation_id == first.conversation_id
    assert desk.open[0].state == "firing"
    assert desk.advance(9999).next_due is None
    assert desk.read("alert-manager") == desk.read("lead") == []


def test_an_agent_acknowledges_with_its_first_word(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.say("alert-manager", "ack, I look at it", first)

    (incident,) = desk.open
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "alert-manager")
    told = [message.content for message in desk.read("user_comm")]
    assert told == [
        f'alert-manager takes care of incident {incident.id}, "HighCPU on web-01".',
        f'alert-manager on incident {incident.id}, "HighCPU on web-01": I look at it',
    ]
    assert desk.read("alert-manager") == []
    assert desk.advance(9999).next_due is None


@pytest.mark.parametrize("words", ["acknowledgement is not mine to give", "packed disk", "I ack nothing"])
def test_other_words_acknowledge_nothing(desk: IncidentHarness, words: str) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.say("alert-manager", words, first)
    assert desk.open[0].state == "firing"


def test_a_message_in_its_conversation_is_a_report_too(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.agents["lead"].send("monitor-bridge", "found it", conversation_id=first.conversation_id)
    (delivery,) = desk.hub.claim()
    assert desk.acknowledgements.group_of(delivery.message) == desk.open[0].group_id


def test_a_person_acknowledges_and_the_agent_and_people_are_notified(desk: IncidentHarness) -> None:
    desk.ingest(FIRING, replace(FIRING, fingerprint="k2"))
    number = desk.open[-1].id
    desk.read("alert-manager")
    done = desk.acknowledgements.acknowledge([f"#{number}"], "ann")

    assert done.answer == f'ann takes care of incident {number}, "HighCPU on web-01".'
    assert [message.content for message in desk.read("user_comm")] == [done.answer]
    assert [message.content for message in desk.read("alert-manager")] == [done.answer]
    states = {incident.id: (incident.state, incident.acknowledged_by) for incident in desk.open}
    assert states[number] == ("acknowledged", "ann")
    assert states[number + 1] == ("firing", None)

    again = desk.acknowledgements.acknowledge([str(number)], "bob")
    assert again.answer == f"Incident {number} is acknowledged by ann 0s ago."
    assert desk.read("user_comm") == []


def test_who_has_not_read_of_it_learns_only_that_somebody_acknowledged_it(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.acknowledgements.acknowledge(["all"], "ann")
    (message,) = desk.read("alert-manager")
    assert message.content.startswith("ann takes care of")
    assert desk.read("lead") == []


def test_everybody_who_has_read_of_it_learns_who_acknowledged_it(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    for _ in range(2):
        desk.read("alert-manager")
        desk.advance(180)
    (first,) = desk.read("lead")
    desk.say("lead", "ack", first)
    assert [message.content[:21] for message in desk.read("alert-manager")] == ["lead takes care of in"]
    assert desk.read("lead") == []


def test_people_are_notified_that_an_agent_has_read_the_alert_but_not_the_reminder(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, labels={"team": "alone"}))
    desk.read("alert-manager")
    desk.advance(180)
    (reminder,) = desk.unread("alert-manager")
    desk.advance(180)
    (told,) = desk.read("user_comm")
    words = f"alert-manager is online and has read this alert, but not the reminder (#{reminder.id})"
    assert told.content.startswith(words)


def test_all_are_acknowledged_at_once(desk: IncidentHarness) -> None:
    desk.ingest(FIRING, replace(FIRING, fingerprint="k2"))
    assert len(desk.acknowledgements.acknowledge(["all"], "ann").incidents) == 2
    assert {incident.state for incident in desk.open} == {"acknowledged"}
    assert desk.acknowledgements.acknowledge(["all"], "ann").answer == "Every open incident is acknowledged."


def test_acknowledging_one_of_a_group_acknowledges_what_was_reported_with_it(desk: IncidentHarness) -> None:
    desk.ingest(*(replace(FIRING, fingerprint=f"k{number}", group="g") for number in range(3)))
    assert len(desk.acknowledgements.acknowledge([str(desk.open[1].id)], "ann").incidents) == 3


def test_what_joins_an_acknowledged_group_is_reported_again(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, group="g"))
    desk.read("alert-manager")
    desk.acknowledgements.acknowledge(["all"], "ann")
    desk.read("alert-manager")
    desk.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    desk.advance(60)
    (message,) = desk.read("alert-manager")
    assert "another" in message.content
    assert "HighCPU" not in message.content
    desk.advance(180)
    assert len(desk.read("alert-manager")) == 1


def test_words_that_name_no_incident_change_nothing(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    for words in ([], ["it"], ["1", "all"]):
        with pytest.raises(CallerError):
            desk.acknowledgements.acknowledge(words, "ann")
    with pytest.raises(UnknownIncident):
        desk.acknowledgements.acknowledge([str(desk.open[0].id), "999"], "ann")
    assert desk.open[0].state == "firing"


def test_what_is_over_needs_nobody(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.read("alert-manager")
    desk.ingest(resolved(FIRING))
    desk.read("alert-manager")
    assert desk.advance(9999).next_due is None
    assert desk.read("alert-manager") == []
    assert "resolved" in desk.acknowledgements.acknowledge([str(desk.all[0].id)], "ann").answer


def test_a_report_that_comes_late_still_reaches_people(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.ingest(resolved(FIRING))
    desk.say("alert-manager", "it was cron", first)
    assert "it was cron" in desk.read("user_comm")[0].content


def test_a_route_decides_who_is_notified(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, labels={"team": "alone"}))
    desk.advance(60)
    desk.advance(60)
    assert desk.read("lead") == []
    assert len(desk.read("user_comm")) == 1


def test_a_bridge_that_begins_again_goes_on_where_the_last_one_was(desk: IncidentHarness, join: Join) -> None:
    desk.ingest(FIRING)
    desk.read("alert-manager")
    other = IncidentHarness(join, ack_timeout_seconds=180.0)
    other.now = desk.now
    other.advance(180)
    assert len(other.read("alert-manager")) == 1


def test_a_silenced_incident_notifies_nobody_for_an_hour_and_then_starts_again(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.read("alert-manager")
    number = str(desk.open[0].id)
    words = f'ann has silenced incident {number}, "HighCPU on web-01": nobody is notified of it for 1h 0m.'
    assert desk.acknowledgements.silence([number], "ann", "console-ann").answer == words
    assert [message.content for message in desk.read("user_comm")] == [words]
    for _ in range(11):
        assert desk.advance(300).commands == ()
    assert (desk.read("alert-manager"), desk.read("lead"), desk.read("user_comm")) == ([], [], [])
    state = listing.describe_state(desk.open[0], datetime.fromtimestamp(desk.now, UTC))
    assert state.startswith("answered by ann, nobody is notified for ")

    desk.advance(300)
    assert len(desk.read("alert-manager")) == 1


def test_a_problem_that_joins_a_silenced_group_ends_the_silence(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, group="g"))
    desk.acknowledgements.silence([str(desk.open[0].id)], "ann", "console-ann")
    desk.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    desk.advance(60)
    assert "another" in desk.read("alert-manager")[-1].content


def test_what_somebody_works_on_is_not_silenced(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.acknowledgements.acknowledge(["all"], "ben")
    desk.read("user_comm")
    answer = desk.acknowledgements.silence([str(desk.open[0].id)], "ann", "console-ann").answer
    assert answer == f"Incident {desk.open[0].id} is acknowledged by ben 0s ago."
    assert desk.read("user_comm") == []


def test_a_clock_that_is_set_back_lengthens_no_silence(desk: IncidentHarness) -> None:
    desk.ingest(FIRING)
    desk.acknowledgements.silence([str(desk.open[0].id)], "ann", "console-ann")
    desk.now -= 86400
    desk.advance(3600)
    assert len(desk.read("alert-manager")) == 1


def test_a_clock_that_is_set_back_holds_nothing_up(desk: IncidentHarness) -> None:
    desk.ingest(replace(FIRING, group="g"))
    desk.read("alert-manager")
    desk.acknowledgements.acknowledge(["all"], "ann")
    desk.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    desk.read("alert-manager")
    desk.read("user_comm")

    desk.now -= 86400
    desk.advance(60)
    assert any("another" in message.content for message in desk.read("alert-manager"))
    for _ in range(6):
        desk.advance(180)
        desk.read("lead")
        desk.read("alert-manager")
    assert len(desk.read("user_comm")) == 1


def test_what_cannot_be_sent_does_not_hold_up_the_others(
    desk: IncidentHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ingest(FIRING, replace(FIRING, fingerprint="k2", title="another"))
    desk.leave("alert-manager")
    desk.leave("lead")
    conversations = desk.incidents.groups
    tells = conversations.page_people

    def fails(conversation: IncidentGroup, why: str, ping: tuple[int, ...]) -> Message:
        if conversation.group_id == desk.open[-1].id:
            raise CallerError("it cannot be told")
        return tells(conversation, why, ping)

    monkeypatch.setattr(conversations, "page_people", fails)
    assert desk.advance(1).next_due is not None
    (told,) = desk.read("user_comm")
    assert "another" in told.content
    monkeypatch.undo()
    desk.advance(60)
    assert len(desk.read("user_comm")) == 1


def test_an_agent_that_was_retired_meanwhile_is_said_to_have_left_and_is_not_brought_back(
    desk: IncidentHarness,
) -> None:
    desk.ingest(FIRING)
    desk.read("alert-manager")
    desk.leave("lead")
    desk.hub.maintenance.retire("alert-manager")
    desk.advance(1)
    (told,) = desk.read("user_comm")
    assert told.content.startswith("alert-manager has left the team. ")

    desk.acknowledgements.acknowledge(["all"], "ann")
    desk.ingest(resolved(FIRING))
    assert desk.hub.find_agent("alert-manager") is None
    assert len(desk.read("user_comm")) == 1


def test_what_grows_worse_while_the_command_runs_is_escalated_too(join: Join) -> None:
    desk = IncidentHarness(join, here=(), command=("true",))
    desk.ingest(replace(FIRING, group="g"))
    (first,) = desk.advance(180).commands
    since = desk.incidents.escalator.command_due_since(first)
    assert since is not None

    desk.ingest(replace(FIRING, fingerprint="k2", severity="critical", group="g"))
    assert desk.incidents.escalator.command_due_since(first) is None
    desk.incidents.escalator.mark_command_run(first, since)
    assert desk.advance(180).commands == (first,)
    since = desk.incidents.escalator.command_due_since(first)
    desk.incidents.escalator.mark_command_run(first, since)
    assert desk.advance(9999).commands == ()


def test_no_command_is_due_for_what_was_acknowledged_meanwhile(join: Join) -> None:
    desk = IncidentHarness(join, here=(), command=("true",))
    desk.ingest(FIRING)
    (first,) = desk.advance(180).commands
    desk.acknowledgements.acknowledge(["all"], "ann")
    assert desk.incidents.escalator.command_due_since(first) is None


def test_an_agent_that_reads_and_leaves_is_said_to_have_left(desk: IncidentHarness) -> None:
    desk.leave("lead")
    desk.ingest(FIRING)
    (first,) = desk.read("alert-manager")
    desk.leave("alert-manager")
    desk.advance(1)
    (told,) = desk.read("user_comm")
    assert told.content.startswith(
        f"alert-manager has read this alert (#{first.id}), has not answered, and is offline, last seen just now. "
    )
