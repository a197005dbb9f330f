"""``teamsup hub …``: maintain the message store."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from teamsup.config.components import installed_tables
from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.hub import CallerError, MessageHub, StoreCorrupt, Team
from teamsup.hub.models import DeadLetter
from teamsup.status import team_lock
from teamsup.status.team_lock import AlreadyRunning
from teamsup.terminal import progress
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.confirmation import require_confirmation
from teamsup.terminal.formatting import format_age, sanitize, to_single_line
from teamsup.terminal.hints import command_hint, find_team
from teamsup.terminal.json_output import add_json_option, print_json, print_result
from teamsup.terminal.verbs import add_renamed_verb, add_verb

from ..arguments import non_negative, positive_integer

_DAY = 86400.0
_PROGRESS_SECONDS = 2.0


EXAMPLES = ("teamsup hub backup team.db", "teamsup hub restore team.db --dry-run", "teamsup hub retry '#12'")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    verb = partial(add_verb, verbs)
    stats = verb("stats", "show counts and sizes", _stats)
    check = verb("check", "check whether the store is sound; exit code 74 if it is not", _check)
    backup = verb("backup", "write a consistent copy while the team runs", _backup)
    complete_as(
        Kind.FILE, backup.add_argument("file", type=Path, help="the new file; an existing file is not replaced")
    )
    back = verb("restore", "restore the team from a backup; --dry-run shows the changes", _no_verb)
    complete_as(Kind.FILE, back.add_argument("file", type=Path, help="a copy that 'hub backup' wrote"))
    back.add_argument(
        "--online",
        action="store_true",
        help="restore while the team runs; its programs then work with the restored messages",
    )
    back.add_argument("--yes", action="store_true", help="do not ask")
    back.add_argument("--dry-run", action="store_true", help="only show the changes")
    back.set_defaults(run_alone=_restore)
    copy = verb("copy", "copy the team to a new file or server, and compare every row", _no_verb)
    complete_as(
        Kind.FILE, copy.add_argument("source", metavar="FROM", help="a messages.db, or an address: postgresql://…")
    )
    complete_as(
        Kind.FILE, copy.add_argument("target", metavar="TO", help="a new file, or the address of an empty schema")
    )
    copy.set_defaults(run_alone=_copy)
    export = verb("export", "write every row as a line of JSON, while the team runs", _export)
    output = export.add_argument(
        "--output", type=Path, metavar="FILE", help="the new file, which only its owner can open (default: stdout)"
    )
    complete_as(Kind.FILE, output)
    fill = verb("import", "fill an empty team from an export; a broken export changes nothing", _no_verb)
    complete_as(Kind.FILE, fill.add_argument("file", help="a file that 'hub export' wrote; '-' is stdin"))
    fill.set_defaults(run_alone=_import)
    prune = verb("prune", "remove old messages that do not wait for a reader, and release their space", _prune)
    prune.add_argument(
        "--days", type=non_negative, metavar="N", help="remove messages older than this (default: keep_days of [team])"
    )
    prune.add_argument("--yes", action="store_true", help="do not ask")
    prune.add_argument("--dry-run", action="store_true", help="only count the messages")
    prune.add_argument("--keep", type=positive_integer, metavar="N", help="keep only the newest N messages")
    dead = verb("dead-letters", "list the dead letters, the newest first", _dead_letters)
    retry = verb("retry", "deliver a dead letter again", _retry)
    retry.add_argument("id", help="its message_id, or its number such as '#12'")
    complete_as(Kind.MEMBER, retry.add_argument("--recipient", metavar="NAME", help="only for this recipient"))
    for each in (stats, check, backup, back, copy, fill, prune, dead, retry):
        add_json_option(each)
    add_renamed_verb(verbs, "dead", "dead-letters")


def run(arguments: argparse.Namespace) -> int:
    if "run_alone" in arguments:
        arguments.run_alone(arguments)
        return 0
    with MessageHub(find_team(arguments.team)) as hub:
        arguments.verb(hub, arguments)
    return 0


def _stats(hub: MessageHub, arguments: argparse.Namespace) -> None:
    stats = hub.queries.stats()
    oldest = stats.oldest_unread
    figures = {
        "messages": stats.messages,
        "deliveries": dict(stats.deliveries),
        "oldest_unread_seconds": None if oldest is None else (datetime.now(UTC) - oldest).total_seconds(),
        "file_bytes": stats.file_bytes,
        "wal_bytes": stats.wal_bytes,
        "schema": stats.schema,
    }
    if arguments.json:
        print_json(hub.team.name, **figures)
        return
    print(f"{'messages':14} {stats.messages:,}")
    for state in ("ready", "leased", "done", "dead", "expired", "cancelled"):
        print(f"{state:14} {stats.deliveries.get(state, 0):,}")
    print(f"{'oldest unread':14} {'none' if oldest is None else format_age(oldest)}")
    print(f"{'file':14} {stats.file_bytes / 2**20:.1f} MiB, WAL {stats.wal_bytes / 2**20:.1f} MiB")


def _check(hub: MessageHub, arguments: argparse.Namespace) -> None:
    with progress.during("Checking the store"):
        problems = hub.maintenance.check_integrity(installed_tables())
    if arguments.json:
        print_json(hub.team.name, sound=not problems, problems=problems)
    if problems:
        raise StoreCorrupt(" ".join(problems))
    if not arguments.json:
        print("The store is sound.")


def _backup(hub: MessageHub, arguments: argparse.Namespace) -> None:
    with progress.during(f"Writing {arguments.file}"):
        hub.maintenance.backup(arguments.file, installed_tables())
    size = arguments.file.stat().st_size
    text = f"Wrote {arguments.file}, {size / 2**20:.1f} MiB."
    print_result(hub.team.name, text, as_json=arguments.json, file=arguments.file, bytes=size)


def _no_verb(_: MessageHub, __: argparse.Namespace) -> None:
    """Do nothing, because this verb does not need an open hub."""


def _restore(arguments: argparse.Namespace) -> None:
    """Restore without an open hub, because the database may be damaged or missing."""
    from teamsup.hub.engines.choice import plan_restore
    from teamsup.hub.maintenance import restore_and_wake

    team = Team.named(arguments.team)
    if not arguments.online and not arguments.dry_run and (pid := team_lock.owner_pid(team)) is not None:
        raise CallerError(
            f"Team {team.name!r} is run by pid {pid}. Stop it with '{command_hint(team, 'stop')}', or restore while it "
            "runs with --online."
        )
    components = installed_tables()
    with progress.during(f"Comparing {arguments.file} with the team"):
        taken_back = plan_restore(team, arguments.file, components)
    if not arguments.dry_run:
        require_confirmation(f"{arguments.file}: {taken_back.description}.", is_given=arguments.yes)
        with progress.during(f"Restoring {arguments.file}"):
            taken_back = restore_and_wake(team, arguments.file, components)
    if arguments.json:
        print_json(team.name, dry_run=arguments.dry_run, **asdict(taken_back))
        return
    print(f"{'Would restore' if arguments.dry_run else 'Restored'} {arguments.file}: {taken_back.description}.")
    if taken_back.set_aside:
        print(f"The database that could not be opened is now {', '.join(str(path) for path in taken_back.set_aside)}.")


def _copy(arguments: argparse.Namespace) -> None:
    """Copy between two stores. No program of the team may have either of them open."""
    from teamsup.hub.engines.choice import copy_team

    team = Team.named(arguments.team)
    stores = (arguments.source, arguments.target)
    for folder in {team.folder, *(Path(store).absolute().parent for store in stores if "://" not in store)}:
        if (pid := team_lock.owner_pid(Team(team.name, folder))) is not None:
            raise AlreadyRunning(
                f"The team in {folder} is run by pid {pid}. Stop it with '{command_hint(team, 'stop')}', then copy."
            )
    try:
        report = copy_team(*stores, team.name, installed_tables(), _RowProgress())
    except KeyboardInterrupt:
        print("The copy is not finished. The same command continues it.", file=sys.stderr)
        raise
    if arguments.json:
        print_json(team.name, **asdict(report))
        return
    rows = sum(report.rows.values())
    print(f"Wrote {report.written:,} of {rows:,} rows to {arguments.target}, and compared all of them.")
    for column, count in report.replaced_values.items():
        print(f"{column}: {count:,} values that could not be kept as they are were replaced.")
    if report.left_out:
        print(f"Not copied, because they are not of teamsup: {', '.join(report.left_out)}.")


def _export(hub: MessageHub, arguments: argparse.Namespace) -> None:
    """Write the rows of one moment to a new file, or to stdout."""
    from importlib.metadata import version

    from teamsup.hub.engines.choice import export_team

    file: Path | None = arguments.output
    report_rows = _RowProgress() if sys.stderr.isatty() else lambda *_: None
    with nullcontext(sys.stdout.buffer) if file is None else _new_file(file) as out:

        def write(line: str) -> None:
            out.write(line.encode())

        report = export_team(hub.team, version("teamsup"), installed_tables(), write, report_rows)
        out.flush()
    where, stream = ("", sys.stderr) if file is None else (f" to {file}", sys.stdout)
    print(f"Wrote {sum(report.rows.values()):,} rows{where}.", file=stream)
    _print_changes(report.replaced_values, report.left_out)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for its owner alone. Remove the file if the ``with`` block fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CallerError(f"{path} is there already; choose another name.") from None
    except OSError as error:
        raise CallerError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _import(arguments: argparse.Namespace) -> None:
    """Import without an open hub, because the team is empty, and no program may use it during the import."""
    from teamsup.hub.engines.choice import describe_store, import_team

    team = Team.named(arguments.team)
    if (pid := team_lock.owner_pid(team)) is not None:
        raise AlreadyRunning(
            f"Team {team.name!r} is run by pid {pid}. Stop it with '{command_hint(team, 'stop')}', then import."
        )
    is_stdin = arguments.file == "-"
    with nullcontext(sys.stdin.buffer) if is_stdin else _open_file(arguments.file) as lines:
        team.create()
        report_rows = _RowProgress() if sys.stderr.isatty() else lambda *_: None
        name = "the input" if is_stdin else arguments.file
        try:
            report = import_team(team, name, lines, installed_tables(), report_rows)
        except KeyboardInterrupt:
            print("The import is not finished, so no program uses it. Run the same command again.", file=sys.stderr)
            raise
    rows = sum(report.rows.values())
    text = f"Imported {rows:,} rows to {describe_store(team)}, and counted them."
    print_result(team.name, text, as_json=arguments.json, rows=rows)


def _open_file(name: str) -> BinaryIO:
    try:
        return open(name, "rb")
    except OSError as error:
        raise CallerError(f"{name} cannot be read: {error.strerror}.") from error


def _print_changes(replaced: Mapping[str, int], left_out: Sequence[str]) -> None:
    for column, count in replaced.items():
        print(f"{column}: {count:,} values that could not be kept as they are were replaced.", file=sys.stderr)
    if left_out:
        print(f"Not exported, because they are not of teamsup: {', '.join(left_out)}.", file=sys.stderr)


class _RowProgress:
    """Prints the progress of a copy, an export or an import now and then. An import does not know its ``total``."""

    def __init__(self) -> None:
        self._reported_at = time.monotonic()

    def __call__(self, table: str, rows: int, total: int) -> None:
        if time.monotonic() > self._reported_at + _PROGRESS_SECONDS:
            self._reported_at = time.monotonic()
            share = f"{100 * rows // total} % ({rows:,} of {total:,} rows)" if total else f"{rows:,} rows"
            progress.report(f"{table}: {share}")


def _prune(hub: MessageHub, arguments: argparse.Namespace) -> None:
    days = arguments.days
    if days is None and arguments.keep is None:
        days = Config(hub.team).section("team", TeamSection).keep_days
    older_than = None if days is None else days * _DAY
    tables = installed_tables()
    if arguments.dry_run or not arguments.yes:
        count = hub.maintenance.count_prunable(older_than=older_than, keep=arguments.keep, components=tables)
        if arguments.dry_run:
            text = f"Would remove {count:,} messages."
            print_result(hub.team.name, text, as_json=arguments.json, dry_run=True, messages=count)
            return
        if count:
            require_confirmation(f"{count:,} messages will be removed for good.", is_given=False)
    with progress.during("Removing messages"):
        gone = hub.maintenance.prune(older_than=older_than, keep=arguments.keep, components=tables)
    text = f"Removed {gone:,} messages; the file has {hub.queries.stats().file_bytes / 2**20:.1f} MiB."
    print_result(hub.team.name, text, as_json=arguments.json, dry_run=False, messages=gone)


def _dead_letters(hub: MessageHub, arguments: argparse.Namespace) -> None:
    letters = hub.queries.dead_letters()
    if arguments.json:
        print_json(hub.team.name, dead_letters=[_as_json(letter) for letter in letters])
        return
    for letter in letters:
        message = letter.message
        start = to_single_line(message.content, 60)
        print(sanitize(f"#{message.id} {message.sender} -> {letter.recipient}, {format_age(letter.died_at)}: {start}"))
        print(f"    {letter.attempts} attempts: {sanitize(letter.error)}")
    if not letters:
        print("There are no dead letters.")


def _as_json(letter: DeadLetter) -> dict[str, object]:
    message = letter.message
    return {
        "id": message.id,
        "message_id": message.message_id,
        "sender": message.sender,
        "recipient": letter.recipient,
        "attempts": letter.attempts,
        "error": letter.error,
        "died_at": letter.died_at,
        "content": message.content,
    }


def _retry(hub: MessageHub, arguments: argparse.Namespace) -> None:
    count = hub.maintenance.retry(arguments.id, arguments.recipient)
    if not count:
        raise CallerError(f"No delivery of {arguments.id} is a dead letter.")
    print_result(hub.team.name, f"Delivering again: {count}.", as_json=arguments.json, deliveries=count)
