"""How what agents and workers say is put to people."""

from teamsup.workers.user_comm.people import GATEWAY, as_shown


def test_a_table_stays_one_on_discord_whatever_stands_in_it() -> None:
    assert as_shown("ID  TITLE\n1   a ```b```", GATEWAY) == "```\nID  TITLE\n1   a '''b'''\n```"
    assert as_shown("ID  TITLE\n1   a", "console-ann") == "ID  TITLE\n1   a"
    assert as_shown("Ann takes care of 1.", GATEWAY) == "Ann takes care of 1."
