"""What a chat shows of questions that have no answer yet."""

from teamsup.hub import Message
from teamsup.supervisor.open_questions import OpenQuestions


def progress(question: str, text: str) -> Message:
    return Message(1, "p", "user_comm", "ann", text, message_type="status_report", reply_to=question)


def test_the_newest_of_each_question_is_shown() -> None:
    questions = OpenQuestions()
    for each in ("a", "b"):
        questions.ask(each, f"what of {each}?")
    for question, text in (("a", "a waits"), ("b", "b waits"), ("a", "a is read")):
        questions.tell(progress(question, text))

    assert questions.lines(80) == ["(what of b? – b waits)", "(what of a? – a is read)"]
    questions.close("b")
    assert (questions.lines(80), questions.count) == (["(a is read)"], 1)


def test_many_are_counted_and_long_ones_cut() -> None:
    questions = OpenQuestions()
    for number in range(5):
        questions.tell(progress(str(number), f"{number} " + "word " * 30))

    lines = questions.lines(40)
    assert lines[0] == "(2 more)"
    assert lines[1:3] == ["(2 word word word word word word word", " word word word word word word word …)"]
    assert len(lines) == 7


def test_silence_is_noted_of_the_newest_question_only_and_until_somebody_says_more() -> None:
    questions = OpenQuestions()
    questions.ask("a", "what of a?")
    questions.ask("b", "what of b?")
    questions.note("a", "no answer yet")
    assert questions.lines(80) == []
    questions.note("b", "no answer yet")
    assert questions.lines(80) == ["(no answer yet)"]
    questions.tell(progress("b", "b is read"))
    assert questions.lines(80) == ["(b is read)"]
    questions.note("b", "no answer yet")
    assert questions.lines(80) == ["(b is read)"]


def test_a_note_goes_with_the_next_question() -> None:
    questions = OpenQuestions()
    questions.ask("a", "what of a?")
    questions.note("a", "no answer yet")

    questions.ask("b", "what of b?")

    assert questions.lines(80) == []


def test_a_long_question_is_named_by_its_beginning() -> None:
    questions = OpenQuestions()
    questions.ask("a", "@lead how is\nthe load of all servers?")
    for question in ("a", "unknown"):
        questions.tell(progress(question, "it waits"))

    assert questions.lines(80) == ["(@lead how is the lo… – it waits)", "(it waits)"]


def test_withdrawn_questions_are_open_no_more() -> None:
    questions = OpenQuestions()
    questions.ask("a", "what of a?")
    questions.tell(progress("a", "a waits"))

    questions.withdraw()

    assert (questions.lines(80), questions.count) == ([], 0)
