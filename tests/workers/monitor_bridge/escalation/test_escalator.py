"""What is said to whom until somebody takes care of an alert."""

from dataclasses import replace

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.hub import CallerError, Message
from teamsup.workers.monitor_bridge.incidents.group_table import IncidentGroup
from teamsup.workers.monitor_bridge.incidents.incident import UnknownIncident
from teamsup.workers.monitor_bridge.incidents.pinging import Pinging


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join, ack_timeout_seconds=180.0)


def test_an_agent_that_reads_and_does_not_act_is_reminded_then_the_next_then_people(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.advance(179)
    assert harness.read("alert-manager") == []

    harness.advance(1)
    (again,) = harness.read("alert-manager")
    assert f"alert-manager has read this alert (#{first.id}) and has not answered for 3m 0s" in again.content
    harness.advance(180)
    (handed_on,) = harness.read("lead")
    assert f"alert-manager has read this alert (#{again.id})" in handed_on.content
    assert harness.read("user_comm") == []
    harness.advance(180)
    assert len(harness.read("lead")) == 1
    harness.advance(180)
    (told,) = harness.read("user_comm")
    assert told.content.startswith("lead has read this alert")
    assert told.message_type == "notification"
    assert {message.conversation_id for message in (first, again, handed_on, told)} == {first.conversation_id}

    assert harness.advance(99999).next_due is None
    assert harness.read("user_comm") == []


def test_an_agent_that_does_not_read_is_reminded_with_one_message(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.unread("alert-manager")
    harness.advance(60)
    (again,) = harness.unread("alert-manager")
    assert again.id != first.id
    assert f"alert-manager is online and has not read this alert (#{first.id})" in again.content

    harness.advance(60)
    assert harness.unread("alert-manager") == []
    assert len(harness.read("lead")) == 1


def test_people_are_paged_at_once_when_no_agent_is_awake(join: Join) -> None:
    harness = IncidentHarness(join, here=(), mention=(42,))
    harness.ingest(replace(FIRING, severity="critical"))

    (told,) = harness.read("user_comm")
    number = harness.open[0].id
    assert told.content.startswith("No agent is present to take this: alert-manager is offline")
    assert told.priority == "urgent"
    assert told.metadata["commands"] == {"Acknowledge": f"/ack {number}"}
    assert told.metadata["ping"] == ["42"]
    assert f"/ack {number} acknowledges it" in told.content
    # And an agent finds it when it comes.
    assert len(harness.read("alert-manager")) == 1


def test_people_are_paged_at_once_when_the_agent_leaves(join: Join) -> None:
    harness = IncidentHarness(join, here=("alert-manager",))
    harness.ingest(FIRING)
    assert harness.read("user_comm") == []
    harness.leave("alert-manager")
    harness.advance(1)
    (told,) = harness.read("user_comm")
    assert "alert-manager is offline" in told.content


def test_nobody_is_pinged_for_what_only_informs(join: Join) -> None:
    harness = IncidentHarness(join, here=(), mention=(42,))
    harness.ingest(replace(FIRING, severity="info"))
    (told,) = harness.read("user_comm")
    assert told.metadata["ping"] == []
    assert told.priority == "normal"


def test_the_command_comes_when_people_do_not_act_either(join: Join) -> None:
    harness = IncidentHarness(join, here=(), command=("true",))
    harness.ingest(FIRING)
    assert harness.advance(179).commands == ()
    assert harness.advance(1).commands == (harness.open[0].id,)
    harness.incidents.escalator.mark_command_run(harness.open[0].id)
    assert harness.advance(9999).commands == ()


def test_no_command_wakes_anybody_for_what_only_informs(join: Join) -> None:
    harness = IncidentHarness(join, here=(), command=("true",))
    harness.ingest(replace(FIRING, severity="info"))
    assert harness.advance(9999).commands == ()


def test_an_answer_ends_the_escalation_and_goes_to_people(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.say("alert-manager", "A cron job; it ends in a minute.", first)

    (report,) = harness.read("user_comm")
    assert report.content == (
        f'alert-manager on incident {harness.open[0].id}, "HighCPU on web-01": A cron job; it ends in a minute.'
    )
    assert report.conversation_id == first.conversation_id
    assert harness.open[0].state == "firing"
    assert harness.advance(9999).next_due is None
    assert harness.read("alert-manager") == harness.read("lead") == []


def test_an_agent_acknowledges_with_its_first_word(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.say("alert-manager", "ack, I look at it", first)

    (incident,) = harness.open
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "alert-manager")
    told = [message.content for message in harness.read("user_comm")]
    assert told == [
        f'alert-manager takes care of incident {incident.id}, "HighCPU on web-01".',
        f'alert-manager on incident {incident.id}, "HighCPU on web-01": I look at it',
    ]
    assert harness.read("alert-manager") == []
    assert harness.advance(9999).next_due is None


@pytest.mark.parametrize("words", ["acknowledgement is not mine to give", "packed disk", "I ack nothing"])
def test_other_words_acknowledge_nothing(harness: IncidentHarness, words: str) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.say("alert-manager", words, first)
    assert harness.open[0].state == "firing"


def test_a_message_in_its_conversation_is_a_report_too(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.agents["lead"].send("monitor-bridge", "found it", conversation_id=first.conversation_id)
    (delivery,) = harness.hub.claim()
    assert harness.acknowledgements.group_of(delivery.message) == harness.open[0].group_id


def test_a_person_acknowledges_and_the_agent_and_people_are_notified(harness: IncidentHarness) -> None:
    harness.ingest(FIRING, replace(FIRING, fingerprint="k2"))
    number = harness.open[-1].id
    harness.read("alert-manager")
    done = harness.acknowledgements.acknowledge([f"#{number}"], "ann")

    assert done.answer == f'ann takes care of incident {number}, "HighCPU on web-01".'
    assert [message.content for message in harness.read("user_comm")] == [done.answer]
    assert [message.content for message in harness.read("alert-manager")] == [done.answer]
    states = {incident.id: (incident.state, incident.acknowledged_by) for incident in harness.open}
    assert states[number] == ("acknowledged", "ann")
    assert states[number + 1] == ("firing", None)

    again = harness.acknowledgements.acknowledge([str(number)], "bob")
    assert again.answer == f"Incident {number} is acknowledged by ann 0s ago."
    assert harness.read("user_comm") == []


def test_an_agent_that_has_not_read_of_it_learns_only_of_the_acknowledgement(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.acknowledgements.acknowledge(["all"], "ann")
    (message,) = harness.read("alert-manager")
    assert message.content.startswith("ann takes care of")
    assert harness.read("lead") == []


def test_everybody_who_has_read_of_it_learns_who_acknowledged_it(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    for _ in range(2):
        harness.read("alert-manager")
        harness.advance(180)
    (first,) = harness.read("lead")
    harness.say("lead", "ack", first)
    assert [message.content[:21] for message in harness.read("alert-manager")] == ["lead takes care of in"]
    assert harness.read("lead") == []


def test_people_are_notified_that_an_agent_has_read_the_alert_but_not_the_reminder(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, labels={"team": "alone"}))
    harness.read("alert-manager")
    harness.advance(180)
    (reminder,) = harness.unread("alert-manager")
    harness.advance(180)
    (told,) = harness.read("user_comm")
    words = f"alert-manager is online and has read this alert, but not the reminder (#{reminder.id})"
    assert told.content.startswith(words)


def test_all_are_acknowledged_at_once(harness: IncidentHarness) -> None:
    harness.ingest(FIRING, replace(FIRING, fingerprint="k2"))
    assert len(harness.acknowledgements.acknowledge(["all"], "ann").incidents) == 2
    assert {incident.state for incident in harness.open} == {"acknowledged"}
    assert harness.acknowledgements.acknowledge(["all"], "ann").answer == "Every open incident is acknowledged."


def test_acknowledging_one_of_a_group_acknowledges_what_was_reported_with_it(harness: IncidentHarness) -> None:
    harness.ingest(*(replace(FIRING, fingerprint=f"k{number}", group="g") for number in range(3)))
    assert len(harness.acknowledgements.acknowledge([str(harness.open[1].id)], "ann").incidents) == 3


def test_an_incident_that_joins_an_acknowledged_group_is_reported(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, group="g"))
    harness.read("alert-manager")
    harness.acknowledgements.acknowledge(["all"], "ann")
    harness.read("alert-manager")
    harness.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    harness.advance(60)
    (message,) = harness.read("alert-manager")
    assert "another" in message.content
    assert "HighCPU" not in message.content
    harness.advance(180)
    assert len(harness.read("alert-manager")) == 1


def test_words_that_name_no_incident_change_nothing(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    for words in ([], ["it"], ["1", "all"]):
        with pytest.raises(CallerError):
            harness.acknowledgements.acknowledge(words, "ann")
    with pytest.raises(UnknownIncident):
        harness.acknowledgements.acknowledge([str(harness.open[0].id), "999"], "ann")
    assert harness.open[0].state == "firing"


def test_an_ended_entry_needs_nobody(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.read("alert-manager")
    harness.ingest(resolved(FIRING))
    harness.read("alert-manager")
    assert harness.advance(9999).next_due is None
    assert harness.read("alert-manager") == []
    assert "resolved" in harness.acknowledgements.acknowledge([str(harness.all[0].id)], "ann").answer


def test_a_report_that_comes_late_still_reaches_people(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.ingest(resolved(FIRING))
    harness.say("alert-manager", "it was cron", first)
    assert "it was cron" in harness.read("user_comm")[0].content


def test_a_route_decides_who_is_notified(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, labels={"team": "alone"}))
    harness.advance(60)
    harness.advance(60)
    assert harness.read("lead") == []
    assert len(harness.read("user_comm")) == 1


def test_a_bridge_that_begins_again_goes_on_where_the_last_one_was(harness: IncidentHarness, join: Join) -> None:
    harness.ingest(FIRING)
    harness.read("alert-manager")
    other = IncidentHarness(join, ack_timeout_seconds=180.0)
    other.now = harness.now
    other.advance(180)
    assert len(other.read("alert-manager")) == 1


def test_a_clock_that_is_set_back_holds_nothing_up(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, group="g"))
    harness.read("alert-manager")
    harness.acknowledgements.acknowledge(["all"], "ann")
    harness.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    harness.read("alert-manager")
    harness.read("user_comm")

    harness.now -= 86400
    harness.advance(60)
    assert any("another" in message.content for message in harness.read("alert-manager"))
    for _ in range(6):
        harness.advance(180)
        harness.read("lead")
        harness.read("alert-manager")
    assert len(harness.read("user_comm")) == 1


def test_a_message_that_cannot_be_sent_does_not_delay_the_others(
    harness: IncidentHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.ingest(FIRING, replace(FIRING, fingerprint="k2", title="another"))
    harness.leave("alert-manager")
    harness.leave("lead")
    conversations = harness.incidents.groups
    tells = conversations.page_people

    def fails(conversation: IncidentGroup, why: str, ping: Pinging) -> Message:
        if conversation.group_id == harness.open[-1].id:
            raise CallerError("it cannot be told")
        return tells(conversation, why, ping)

    monkeypatch.setattr(conversations, "page_people", fails)
    assert harness.advance(1).next_due is not None
    (told,) = harness.read("user_comm")
    assert "another" in told.content
    monkeypatch.undo()
    harness.advance(60)
    assert len(harness.read("user_comm")) == 1


def test_an_agent_that_was_retired_meanwhile_is_said_to_have_left_and_is_not_brought_back(
    harness: IncidentHarness,
) -> None:
    harness.ingest(FIRING)
    harness.read("alert-manager")
    harness.leave("lead")
    harness.hub.maintenance.retire("alert-manager")
    harness.advance(1)
    (told,) = harness.read("user_comm")
    assert told.content.startswith("alert-manager has left the team. ")

    harness.acknowledgements.acknowledge(["all"], "ann")
    harness.ingest(resolved(FIRING))
    assert harness.hub.find_agent("alert-manager") is None
    assert len(harness.read("user_comm")) == 1


def test_a_problem_that_grows_worse_while_the_command_runs_is_escalated_too(join: Join) -> None:
    harness = IncidentHarness(join, here=(), command=("true",))
    harness.ingest(replace(FIRING, group="g"))
    (first,) = harness.advance(180).commands
    since = harness.incidents.escalator.command_due_since(first)
    assert since is not None

    harness.ingest(replace(FIRING, fingerprint="k2", severity="critical", group="g"))
    assert harness.incidents.escalator.command_due_since(first) is None
    harness.incidents.escalator.mark_command_run(first, since)
    assert harness.advance(180).commands == (first,)
    since = harness.incidents.escalator.command_due_since(first)
    harness.incidents.escalator.mark_command_run(first, since)
    assert harness.advance(9999).commands == ()


def test_no_command_is_due_for_what_was_acknowledged_meanwhile(join: Join) -> None:
    harness = IncidentHarness(join, here=(), command=("true",))
    harness.ingest(FIRING)
    (first,) = harness.advance(180).commands
    harness.acknowledgements.acknowledge(["all"], "ann")
    assert harness.incidents.escalator.command_due_since(first) is None


def test_an_agent_that_reads_and_leaves_is_said_to_have_left(harness: IncidentHarness) -> None:
    harness.leave("lead")
    harness.ingest(FIRING)
    (first,) = harness.read("alert-manager")
    harness.leave("alert-manager")
    harness.advance(1)
    (told,) = harness.read("user_comm")
    assert told.content.startswith(
        f"alert-manager has read this alert (#{first.id}), has not answered, and is offline, last seen just now. "
    )
