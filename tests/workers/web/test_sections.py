"""[web] of teamsup.toml."""

import pytest

from teamsup.workers.web.sections import WebSection


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"listen": "0.0.0.0:8080"}, "trusted_hosts must name the hosts"),
        ({"listen": "[::]:8080"}, "trusted_hosts must name the hosts"),
        ({"listen": "team.example.com:80"}, "listen must be an address"),
        ({"listen": "127.0.0.1"}, "listen must be an address"),
        ({"operators": ("Ann",)}, "'Ann' is not a name for a person"),
        ({"operators": ("",)}, "'' is not a name for a person"),
        ({"trusted_hosts": ("https://team.example.com",)}, "without a port"),
        ({"trusted_hosts": ("team.example.com:443",)}, "without a port"),
        ({"trusted_proxies": ("proxy.example.com",)}, "must be addresses or networks"),
        ({"trusted_hosts": ("*",)}, "without a port"),
    ],
)
def test_a_setting_that_would_open_the_page_to_others_is_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        WebSection(**keys)  # type: ignore[arg-type]


def test_loopback_needs_no_trusted_hosts() -> None:
    assert WebSection().hosts == {"localhost", "127.0.0.1", "::1"}
    assert WebSection(listen="[::1]:9000").base_address(9000) == "http://[::1]:9000"
    assert WebSection(listen="localhost:0").base_address(40123) == "http://localhost:40123"


def test_a_link_for_other_machines_names_the_first_trusted_host() -> None:
    section = WebSection(listen="0.0.0.0:8080", trusted_hosts=("team.example.com", "[2001:db8::1]"))
    assert section.base_address(8080) == "http://team.example.com:8080"
    assert {"team.example.com", "2001:db8::1"} <= section.hosts
