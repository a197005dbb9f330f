"""Any program as an agent: what it writes, and how it ends."""

import json
import subprocess
from pathlib import Path

import pytest

from teamsup.hub import NotConfigured, Team
from teamsup.workers.agent_runner.programs.command import CommandProgram, _parse_output
from teamsup.workers.agent_runner.programs.program import WHOLE_PROGRAM, Ending
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection


class CommandHarness:
    """A folder of a run, in which a shell script runs as the program."""

    def __init__(self, team: Team) -> None:
        self.program = CommandProgram(team)
        self.folder = team.folder / "runs" / "1"
        self.folder.mkdir(parents=True)
        (self.folder / "briefing.json").write_text('{"message": "hello"}')
        self.run = Run(1, "gcp", Cause("message", "m"), "s", directory=str(team.folder), mark="mark")

    def play(self, script: str) -> None:
        agent = AgentSection(command=("sh", "-c", script))
        launch = self.program.plan(self.run, agent, "", resume=False, folder=self.folder)
        with (self.folder / "stdout.jsonl").open("wb") as out, (self.folder / "stderr.log").open("wb") as err:
            subprocess.run(launch.argv, input=launch.stdin, stdout=out, stderr=err, env=launch.environment, check=False)


@pytest.fixture
def harness(team: Team) -> CommandHarness:
    return CommandHarness(team)


@pytest.mark.parametrize(
    ("script", "ending", "text", "detail"),
    [
        ("cat", "completed", '{"message": "hello"}', ""),
        ("echo two; echo lines", "completed", "two\nlines", ""),
        ("echo busy >&2; exit 75", "retry_later", "", "busy"),
        ("exit 3", "gave_up", "", "it ended with exit code 3"),
        ("exit 255", "gave_up", "", "it ended with exit code 255"),
        ("exit 193", "gave_up", "", "it ended with exit code 193"),
        ("exit 192", "none", "", ""),
        ("no-such-program", "configuration", "", "sh: 1: no-such-program: not found"),
        ("kill -9 $$", "none", "", ""),
    ],
)
def test_its_exit_code_says_how_it_ended(
    harness: CommandHarness, script: str, ending: Ending, text: str, detail: str
) -> None:
    harness.play(script)
    output = harness.program.read(harness.folder, harness.run)
    assert (output.ending, output.text) == (ending, text)
    assert detail in output.detail or ending == "configuration"
    (call,) = harness.program.read_calls(harness.folder)
    assert (call.id, call.tool) == (WHOLE_PROGRAM, "sh")
    assert call.event == ("began" if ending == "none" else "done")


def test_lines_of_json_are_progress_answer_and_cost(harness: CommandHarness) -> None:
    lines = [
        {"progress": "looking"},
        {"cost": 0.5, "turns": 2, "tokens_in": 10},
        {"answer": "Well."},
        {"progress": "leaving", "cost": 0.25},
        {"answer": "Bye."},
    ]
    harness.play("\n".join(f"echo '{json.dumps(line)}'" for line in lines) + "\necho unknown words\necho '{broken'")
    output = harness.program.read(harness.folder, harness.run)
    assert (output.text, output.progress) == ("Well.\nBye.", "leaving")
    assert (output.usd, output.turns, output.tokens_in) == (0.75, 2, 10)


@pytest.mark.parametrize(("printed", "answer"), [
    ('{"progress": "reading"}\nAll is well.\n', "All is well."),
    ('{"cost": 0.5}\n', ""),
    ('{"run": 1, "decision": null}\ndone\n', '{"run": 1, "decision": null}\ndone'),
    ('{"answer": 7}', '{"answer": 7}'),
    ('{"decision": {"text": "Restart?"}}\nwaiting', ""),
    ('{"answer": "Well."}\nnoise', "Well."),
    ("  two\n lines\n", "two\n lines"),
])  # fmt: skip
def test_words_without_an_answer_in_json_are_the_answer(printed: str, answer: str) -> None:
    assert _parse_output(printed).text == answer


def test_an_answer_behind_too_much_output_is_a_failure_not_silence(harness: CommandHarness) -> None:
    harness.play("""head -c 4194304 /dev/zero | tr '\\0' '\\n'; echo '{"answer": "Well."}'""")
    output = harness.program.read(harness.folder, harness.run)
    assert (output.ending, output.detail) == ("gave_up", "its output is above 4 MiB, and the rest was not read")


def test_the_costs_of_its_processes_are_added_up(harness: CommandHarness) -> None:
    for cost in (0.5, 0.25):
        harness.play(f"echo '{{\"cost\": {cost}}}'; exit 75")
    assert harness.program.read(harness.folder, harness.run).usd == 0.75
    assert sorted(path.name for path in harness.folder.glob("stdout*")) == ["stdout.1.jsonl", "stdout.jsonl"]


def test_a_question_to_people_ends_it_until_they_have_decided(harness: CommandHarness) -> None:
    harness.play("""echo '{"decision": {"text": "Restart?", "options": ["yes", "no"]}}'""")
    output = harness.program.read(harness.folder, harness.run)
    assert output.ending == "deferred"
    assert output.decision == {"text": "Restart?", "options": ["yes", "no"]}


def test_a_program_that_never_began_has_done_nothing(harness: CommandHarness) -> None:
    assert harness.program.read_calls(harness.folder) == ()
    assert harness.program.read(harness.folder, harness.run).ending == "none"


def test_a_missing_folder_is_named(harness: CommandHarness) -> None:
    run = Run(1, "gcp", Cause("message", "m"), "s", directory="/no/such/folder")
    with pytest.raises(NotConfigured, match="there is no folder /no/such/folder"):
        harness.program.plan(run, AgentSection(command=("true",)), "", resume=False, folder=Path(harness.folder))
