"""What a chat shows of questions that have no answer yet."""

from teamsup.cli.chat.lines import PendingQuestions
from teamsup.hub import Message


def progress(question: str, text: str) -> Message:
    return Message(1, "p", "user_comm", "ann", text, message_type="status_report", reply_to=question)


def test_the_newest_of_each_question_is_shown() -> None:
    questions = PendingQuestions()
    for each in ("a", "b"):
        questions.add(each, f"what of {each}?")
    for question, text in (("a", "a waits"), ("b", "b waits"), ("a", "a is read")):
        questions.update(progress(question, text))

    assert questions.render(80) == ["(what of b? – b waits)", "(what of a? – a is read)"]
    questions.remove("b")
    assert (questions.render(80), questions.count) == (["(a is read)"], 1)


def test_many_are_counted_and_long_ones_cut() -> None:
    questions = PendingQuestions()
    for number in range(5):
        questions.update(progress(str(number), f"{number} " + "word " * 30))

    lines = questions.render(40)
    assert lines[0] == "(2 more)"
    assert lines[1:3] == ["(2 word word word word word word word", " word word word word word word word …)"]
    assert len(lines) == 7


def test_silence_is_noted_of_the_newest_question_only_and_until_somebody_says_more() -> None:
    questions = PendingQuestions()
    questions.add("a", "what of a?")
    questions.add("b", "what of b?")
    questions.note_silence("a", "no answer yet")
    assert questions.render(80) == []
    questions.note_silence("b", "no answer yet")
    assert questions.render(80) == ["(no answer yet)"]
    questions.update(progress("b", "b is read"))
    assert questions.render(80) == ["(b is read)"]
    questions.note_silence("b", "no answer yet")
    assert questions.render(80) == ["(b is read)"]


def test_a_note_goes_with_the_next_question() -> None:
    questions = PendingQuestions()
    questions.add("a", "what of a?")
    questions.note_silence("a", "no answer yet")

    questions.add("b", "what of b?")

    assert questions.render(80) == []


def test_a_long_question_is_named_by_its_beginning() -> None:
    questions = PendingQuestions()
    questions.add("a", "@lead how is\nthe load of all servers?")
    for question in ("a", "unknown"):
        questions.update(progress(question, "it waits"))

    assert questions.render(80) == ["(@lead how is the lo… – it waits)", "(it waits)"]


def test_withdrawn_questions_are_open_no_more() -> None:
    questions = PendingQuestions()
    questions.add("a", "what of a?")
    questions.update(progress("a", "a waits"))

    questions.clear()

    assert (questions.render(80), questions.count) == ([], 0)
