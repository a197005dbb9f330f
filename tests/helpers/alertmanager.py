"""A real Prometheus Alertmanager on loopback, which tells one webhook and nobody else."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from helpers.support import TIMEOUT_SECONDS, eventually

# Debian's name for it, and everybody else's.
ALERTMANAGER_PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

_ADDRESS = re.compile(r'address="?(127\.0\.0\.1:\d+)')

needs_alertmanager = pytest.mark.skipif(
    ALERTMANAGER_PROGRAM is None, reason="needs Prometheus Alertmanager (Debian package prometheus-alertmanager)"
)


@dataclass(frozen=True)
class RunningAlertmanager:
    """One that runs."""

    url: str

    def fire(self, *alerts: Mapping[str, str], summary: str = "") -> None:
        """Say what Prometheus says while these labels' alerts are true."""
        self._post_alert([{"labels": labels, "annotations": {"summary": summary}} for labels in alerts])

    def resolve(self, *alerts: Mapping[str, str]) -> None:
        ended = datetime.now(UTC).isoformat()
        self._post_alert([{"labels": labels, "endsAt": ended} for labels in alerts])

    def alerts(self) -> list[dict[str, Any]]:
        """What it knows, silenced or not."""
        found: list[dict[str, Any]] = self._request("/api/v2/alerts")
        return found

    def silences(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._request("/api/v2/silences")
        return found

    def _post_alert(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        self._request("/api/v2/alerts", alerts)

    def _request(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None


@contextlib.contextmanager
def running_alertmanager(
    folder: Path, webhook: str, http_config: Mapping[str, Any] | None = None
) -> Iterator[RunningAlertmanager]:
    """Groups by alertname; tells news at once, and everything again several times a second."""
    folder.mkdir(parents=True, exist_ok=True)
    route = {
        "receiver": "us",
        "group_by": ["alertname"],
        "group_wait": "50ms",
        "group_interval": "200ms",
        "repeat_interval": "200ms",
    }
    hook = {"url": webhook, "send_resolved": True, "http_config": dict(http_config or {})}
    # JSON is YAML.
    configuration = {"route": route, "receivers": [{"name": "us", "webhook_configs": [hook]}]}
    (folder / "alertmanager.yml").write_text(json.dumps(configuration))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                ALERTMANAGER_PROGRAM or "alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'storage'}",
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: process.poll() is not None or _ADDRESS.search(log.read_text()), "Alertmanager listens")
        found = _ADDRESS.search(log.read_text())
        assert found, log.read_text()
        yield RunningAlertmanager(f"http://{found[1]}")
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)
