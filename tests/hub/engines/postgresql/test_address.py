"""Where the hub is: from the environment or the configuration, and never with a password."""

import traceback
from pathlib import Path

import pytest

from teamsup.hub import MessageHub, NotConfigured, StoreError, Team
from teamsup.hub.engines.choice import describe_store, find_address, has_store
from teamsup.hub.errors import UnsafeFile

SECRETS = [
    "postgresql://ann:hunter2@db/crew",
    "postgresql://ann@db/crew?password=hunter2",
    "postgresql://ann@db/crew?sslpassword=hunter2",
    "postgresql://ann:hunter2@db:port/crew",
    "postgresql://ann:hunter2@db/crew?nonsense=1",
    "mysql://ann:hunter2@db/crew",
    "host=db password=hunter2",
]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    (tmp_path / "crew").mkdir(mode=0o700)
    return Team("crew", tmp_path / "crew")


@pytest.mark.parametrize("address", SECRETS)
def test_a_password_in_the_address_is_refused_and_not_repeated(
    team: Team, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("TEAMSUP_HUB", address)
    with pytest.raises(NotConfigured) as caught:
        MessageHub(team)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql://ann@db/crew", "postgresql://ann@db/crew"),
        ("postgresql://db:5433/crew?sslmode=require", "postgresql://db:5433/crew"),
        ("postgresql://ann@one,two:5433/crew", "postgresql://ann@one,two:5433/crew"),
        ("postgresql:///crew?host=/run/db&passfile=/home/ann/pass", "postgresql:///run/db/crew"),
        ("postgresql://?service=crew", "postgresql service crew"),
    ],
)
def test_the_name_of_a_store_is_its_place(team: Team, monkeypatch: pytest.MonkeyPatch, address: str, name: str) -> None:
    monkeypatch.setenv("TEAMSUP_HUB", address)
    assert describe_store(team) == name


def test_a_team_without_an_address_is_a_file(team: Team) -> None:
    assert (find_address(team), has_store(team), describe_store(team)) == (None, False, str(team.database))
    team.configuration.write_text('# hub = "postgresql://db/crew"\n[team]\nagents = ["hub"]\n')
    assert find_address(team) is None


@pytest.mark.parametrize(
    "toml",
    [
        '[team]\nhub = "postgresql://db/crew"\n',
        '[team]\n"hub"="postgresql://db/crew"',
        'team.hub = "postgresql://db/crew"',
    ],
)
def test_the_configuration_names_the_server(team: Team, toml: str) -> None:
    team.configuration.write_text(toml)
    assert (find_address(team), has_store(team)) == ("postgresql://db/crew", True)


def test_a_configuration_that_cannot_be_read_is_no_reason_to_make_a_file(team: Team) -> None:
    team.configuration.write_text('[team\nhub = "postgresql://db/crew"\n')
    with pytest.raises(NotConfigured, match="cannot be read"):
        MessageHub(team)
    assert not team.database.exists()


def test_a_configuration_that_others_may_write_names_no_server(team: Team) -> None:
    team.configuration.write_text('[team]\nhub = "postgresql://db/crew"\n')
    team.configuration.chmod(0o666)
    with pytest.raises(UnsafeFile, match="chmod go-w"):
        MessageHub(team)


def test_two_teams_do_not_share_a_schema(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMSUP_HUB", address)
    MessageHub(Team("crew", tmp_path / "crew")).close()
    with pytest.raises(StoreError, match="Team 'crew' is stored in this schema, and this is team 'other'"):
        MessageHub(Team("other", tmp_path / "other"))
