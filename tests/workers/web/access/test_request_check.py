"""What a browser sends for other pages, and under other names."""

import pytest

from teamsup.workers.web.access.request_check import check_host, check_origin, find_client, is_local_path

HOSTS = {"localhost", "127.0.0.1", "::1", "team.example.com"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:40123", "localhost:40123", "LOCALHOST", "[::1]:40123", "team.example.com", "team.example.com."]
)
def test_our_names_are_allowed(host: str) -> None:
    assert check_host({"Host": host}, HOSTS) == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "attacker.example",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "10.0.0.1",
        "[::2]",
        "[",
        "a@b",
    ],
)
def test_a_name_that_points_here_is_refused(host: str) -> None:
    assert check_host({"Host": host}, HOSTS) != ""


def test_a_request_without_a_host_is_refused() -> None:
    assert check_host({}, HOSTS) != ""


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:40123", "127.0.0.1:40123"),
        ("http://localhost:40123", "LOCALHOST:40123"),
        ("http://[::1]:40123", "[::1]:40123"),
        ("https://team.example.com", "team.example.com"),
        ("https://team.example.com", "team.example.com:443"),
        ("http://team.example.com", "team.example.com:80"),
    ],
)
def test_a_form_of_our_page_is_allowed(origin: str, host: str) -> None:
    assert check_origin("POST", {"Origin": origin, "Host": host}) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://attacker.example",
        "http://127.0.0.1",
        "http://127.0.0.1:40124",
        "http://localhost:40123",
        "http://127.0.0.1:40123.attacker.example",
        "http://127.0.0.1:40123@attacker.example",
        "file://127.0.0.1:40123",
        "127.0.0.1:40123",
        "http://[",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_form_of_another_page_is_refused(origin: str, method: str) -> None:
    assert check_origin(method, {"Origin": origin, "Host": "127.0.0.1:40123"}) != ""


def test_a_browser_that_sends_no_origin_must_say_that_the_form_is_ours() -> None:
    host = {"Host": "127.0.0.1:40123"}
    assert check_origin("POST", host) != ""
    assert check_origin("POST", host | {"Sec-Fetch-Site": "same-site"}) != ""
    assert check_origin("POST", host | {"Sec-Fetch-Site": "same-origin"}) == ""


def test_a_request_that_only_reads_needs_no_origin() -> None:
    assert check_origin("GET", {"Origin": "http://attacker.example"}) == ""


@pytest.mark.parametrize("path", ["/", "/incidents/14", "/?show=unwell", "/conversations/a:b#m1"])
def test_a_redirect_may_lead_to_our_pages(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize(
    "path", ["", "//attacker.example", "/\\attacker.example", "https://attacker.example", "/a\r\nb"]
)
def test_a_redirect_leads_nowhere_else(path: str) -> None:
    assert not is_local_path(path)


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["<b>"], "10.0.0.1"),
        ("::1", ["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_only_our_proxies_say_who_a_browser_is(remote: str, forwarded: list[str], client: str) -> None:
    assert find_client(remote, forwarded, ("10.0.0.0/8", "::1")) == client
