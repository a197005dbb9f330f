"""The files of links: each goes when its link was used, or is too old."""

import os
import stat
import time
from pathlib import Path

from teamsup.workers.web.access.sessions import LINK_SECONDS
from teamsup.workers.web.run_files import remove_expired_links, remove_link, write_link

LINK = "http://127.0.0.1:4000/sign-in#abc-_1"


def test_the_file_of_a_link_is_its_owners_and_goes_with_the_link(tmp_path: Path) -> None:
    file, other = write_link(tmp_path, LINK), write_link(tmp_path, f"{LINK}2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert LINK in file.read_text()
    assert "abc" not in file.name
    remove_link(tmp_path, "abc-_1")
    assert (file.exists(), other.exists()) == (False, True)


def test_the_file_of_a_link_that_is_too_old_is_removed(tmp_path: Path) -> None:
    old, new, now = write_link(tmp_path, LINK), write_link(tmp_path, f"{LINK}2"), time.time()
    os.utime(old, (now - LINK_SECONDS - 1,) * 2)
    remove_expired_links(tmp_path, now)
    assert (old.exists(), new.exists()) == (False, True)
