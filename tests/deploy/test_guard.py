"""What the agents that watch a cloud may run there."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teamsup.hub.team import normalize_name

GUARD = Path(__file__).parents[2] / "deploy" / "claude" / "guard.py"
refusal: Callable[[str], str | None] = runpy.run_path(str(GUARD))["refusal"]
SHELLS = [shell for shell in map(shutil.which, ("sh", "bash", "zsh", "dash")) if shell]
GOOD = "gcloud compute instances list --project=shop"
BAD = "gcloud compute instances delete web-1 --quiet"

HARMLESS = [
    GOOD,
    "gcloud projects list",
    "gcloud logging read",
    "gcloud  compute instances list   --limit 5 ",
    "gcloud compute instances describe web-1 --zone europe-west1-b --format='value(status)'",
    "gcloud compute instances list --filter='status!=RUNNING AND name~^web' --format=\"table(name, zone)\"",
    "gcloud compute instances list --sort-by='~creationTimestamp' --uri",
    "gcloud compute instances list --zones=us-east1-b,us-east1-c",
    "gcloud compute instance-groups managed list-errors web --region=us-east1",
    "gcloud compute backend-services get-health web --global",
    "gcloud run services logs read shop --region us-east1 --limit=20",
    "gcloud logging read 'severity>=ERROR AND httpRequest.requestUrl:\"https://shop\"' --freshness=1h --limit 5",
    "gcloud logging read 'textPayload:\"rm -rf / ; $(reboot) `x` > y | z && w\"'",
    "gcloud logging read '' --bucket=_Required --location=global --view=_Default --limit=1",
    "oci iam region list",
    "oci compute instance list --compartment-id ocid1.compartment.oc1..aaa --all --output table",
    "oci compute instance list -c ocid1.compartment.oc1..aaa --region eu-frankfurt-1",
    "oci monitoring metric-data summarize-metrics-data --namespace oci_computeagent -c ocid1.x"
    " --query-text 'CpuUtilization[1m]{resourceId = \"ocid1.instance\"}.mean()' --start-time 2026-01-31T12:00:00Z",
    "oci logging-search search-logs --search-query 'search \"ocid1.x\" | sort by datetime desc'"
    " --time-start 2026-01-31T12:00:00Z --time-end 2026-01-31T13:00:00Z",
    "oci search resource structured-search --query-text \"query instance resources where lifecycleState = 'STOPPED'\"",
    "oci os bucket list --namespace-name shop -c ocid1.x --query 'data[].name' --raw-output",
]

REFUSED = {
    "a word that zsh replaces by the path of a program": [
        "gcloud logging read =ls",
        "gcloud compute instances describe web-1 ''=a",
    ],
    "a projection that reaches into the program": [
        "gcloud logging read x --format='value(severity.color(red=E).format(\"{0.__class__}\"))'",
        "gcloud logging read x --format='value(severity.format(\"{0:>2000000000}\"))'",
        "gcloud projects list --filter='name.__class__=x'",
        "gcloud projects list --sort-by='{0}'",
        "gcloud projects list --flatten=x.__init__",
    ],
    "a name that is a path to something else": [
        "gcloud redis instances describe x/authString --region=us-east1",
        "gcloud redis instances describe x:getAuth --region=us-east1",
        "gcloud pubsub topics describe t/../../x",
        "gcloud pubsub topics describe ..",
        "oci compute instance get --instance-id ocid1.x/initialCredentials",
        "oci network vcn get --vcn-id ../ipsecConnections/i/tunnels/t/sharedSecret",
    ],
    "no command of ours": [
        "",
        " ",
        "gcloud",
        "oci",
        "ls",
        "gsutil ls",
        "bq ls",
        "kubectl get pods",
        "cat ~/.config/gcloud/credentials.db",
        "/opt/gcloud compute instances list",
        "./gcloud compute instances list",
        "GCLOUD compute instances list",
        "gcloudx compute instances list",
        "'gcloud compute' instances list",
    ],
    "something before it": [
        "X=1 gcloud compute instances list",
        "CLOUDSDK_CORE_LOG_HTTP=1 gcloud compute instances list",
        "PATH=/tmp gcloud compute instances list",
        "env gcloud compute instances list",
        "sudo gcloud compute instances list",
        "exec gcloud compute instances list",
        "command gcloud compute instances list",
        "timeout 5 gcloud compute instances list",
        "\\gcloud compute instances list",
        "! gcloud compute instances list",
        "time gcloud compute instances list",
    ],
    "more than one simple command": [
        "gcloud compute instances list; reboot",
        "gcloud compute instances list ;reboot",
        "gcloud compute instances list&",
        "gcloud compute instances list && reboot",
        "gcloud compute instances list || reboot",
        "gcloud compute instances list | sh",
        "gcloud compute instances list |& sh",
        "gcloud compute instances list\nreboot",
        "gcloud compute instances list\r\nreboot",
        "gcloud compute instances list \\\nreboot",
        "gcloud logging read '\n'",
        "(gcloud compute instances list)",
        "{ gcloud compute instances list; }",
        "gcloud compute instances list # and more",
    ],
    "files": [
        "gcloud compute instances list > out",
        "gcloud compute instances list >> out",
        "gcloud compute instances list 2>/dev/null",
        "gcloud compute instances list >| out",
        "gcloud compute instances list < in",
        "gcloud compute instances list <<< in",
        "gcloud compute instances list <(reboot)",
        "gcloud compute instances list > >(sh)",
    ],
    "what a shell would replace": [
        "gcloud compute instances list --filter=$(reboot)",
        "gcloud compute instances list --filter=`reboot`",
        "gcloud compute instances list --filter=$HOME",
        "gcloud compute instances list --filter=${IFS}",
        "gcloud compute instances list --filter=$'a'",
        'gcloud compute instances list --filter="$(reboot)"',
        'gcloud compute instances list --filter="`reboot`"',
        'gcloud compute instances list --filter="${X:=1}"',
        'gcloud compute instances list --filter="a\\"; reboot; \\""',
        'gcloud compute instances list --filter="!!"',
        "gcloud compute instances list --filter='a'$(reboot)",
        "gcloud compute instances list ~/x",
        "gcloud compute instances list *",
        "gcloud compute instances list --filter=?",
        "gcloud compute instances list --filter=[a]",
        "gcloud compute instances list --filter={a,b}",
        "gcloud compute instances describe =ls",
        "gcloud compute instances describe web^1",
        "gcloud compute instances list --filter=a\u00a0b",
        "gcloud compute instances list --filter='a",
        'gcloud compute instances list --filter="a',
        "gcloud compute instances list\t--uri",
        "gcloud compute instances list --filter='\x00'",
        "gcloud compute instances list --filter='\x1b[2J'",
    ],
    "changes": [
        BAD,
        "gcloud compute instances delete list",
        "gcloud compute instances stop describe",
        "gcloud compute instances reset web-1",
        "gcloud compute ssh web-1",
        "gcloud compute instances list-something",
        "gcloud container clusters get-credentials shop",
        "gcloud run deploy list",
        "gcloud sql instances restart shop",
        "gcloud services enable compute.googleapis.com",
        "gcloud projects add-iam-policy-binding shop",
        "gcloud components list",
        "gcloud components install list",
        "gcloud alpha monitoring policies list",
        "gcloud beta compute instances list",
        "gcloud auth login",
        "gcloud config set project list",
        "gcloud storage rm list",
        "gcloud storage cp list .",
        "gcloud pubsub subscriptions pull list",
        "oci compute instance action --action STOP --instance-id ocid1.x",
        "oci compute instance terminate --instance-id ocid1.x",
        "oci compute instance update list",
        "oci db autonomous-database start --autonomous-database-id ocid1.x",
        "oci raw-request --http-method GET --target-uri https://evil.example",
        "oci streaming stream message get --stream-id x",
        "oci setup config",
        "oci session authenticate",
    ],
    "secrets": [
        "gcloud auth print-access-token",
        "gcloud auth print-identity-token",
        "gcloud auth application-default print-access-token",
        "gcloud auth list",
        "gcloud config list",
        "gcloud config config-helper --format=json",
        "gcloud secrets versions access latest --secret=db",
        "gcloud secrets list",
        "gcloud kms decrypt list",
        "gcloud services api-keys get-key-string k",
        "gcloud services api-keys list",
        "gcloud redis instances get-auth-string r",
        "gcloud iam service-accounts keys list",
        "gcloud iam service-accounts keys create list",
        "gcloud sql generate-login-token",
        "gcloud sql users list",
        "gcloud vmware private-clouds vcenter credentials describe",
        "gcloud composer environments user-workloads-secrets describe s",
        "gcloud compute instances get-guest-attributes web-1",
        "gcloud compute reset-windows-password web-1",
        "oci secrets secret-bundle get --secret-id ocid1.x",
        "oci vault secret list -c ocid1.x",
        "oci compute instance get-windows-initial-creds --instance-id ocid1.x",
        "oci network ip-sec-psk get --ipsc-id ocid1.x --tunnel-id ocid1.y",
        "oci dns tsig-key get --tsig-key-id ocid1.x",
        "oci db autonomous-database generate-wallet --file w --password p --autonomous-database-id x",
        "oci iam customer-secret-key list --user-id ocid1.x",
        "oci os preauth-request list -bn b",
        "oci os object get -bn b --name n --file /home/me/.bashrc",
        "oci os object get -bn b --name n --file -",
        "oci compute console-history get-content --file f --instance-console-history-id x",
    ],
    "another identity, another server, configuration, files through options": [
        "gcloud --project=shop compute instances list",
        "gcloud compute instances list --flags-file=f.yaml",
        "gcloud compute instances list --log-http",
        "gcloud compute instances list --verbosity=debug",
        "gcloud compute instances list --quiet",
        "gcloud compute instances list -q",
        "gcloud compute instances list --account=root@shop",
        "gcloud compute instances list --configuration=root",
        "gcloud compute instances list --impersonate-service-account=root@shop",
        "gcloud compute instances list --access-token-file=f",
        "gcloud compute instances list --billing-project=x",
        "gcloud compute instances list --trace-token=x",
        "gcloud compute instances list --filte=x",
        "gcloud compute instances list --uri=x",
        "gcloud compute instances list --filter",
        "gcloud compute instances list --limit --log-http",
        "gcloud compute instances list -- --log-http",
        "gcloud compute instances list '--log-http'",
        "gcloud compute instances describe https://evil.example/compute/v1/projects/p/zones/z/instances/i",
        "gcloud compute instances describe '-x'",
        "gcloud compute instances describe 'a?b'",
        "gcloud compute instances list --project=https://evil.example",
        "gcloud run services list --region=evil.example/",
        "gcloud run services list --region='evil.example?'",
        "gcloud run services list --region=evil.example",
        "gcloud storage buckets list s3://b",
        "oci --profile root compute instance list",
        "oci compute instance list --profile root",
        "oci compute instance list --auth instance_principal",
        "oci compute instance list --endpoint https://evil.example",
        "oci compute instance list --region evil.example/",
        "oci compute instance list --proxy http://evil.example",
        "oci compute instance list --cert-bundle f",
        "oci compute instance list --config-file f",
        "oci compute instance list --cli-rc-file f",
        "oci compute instance list --from-json file://f",
        "oci compute instance list --from-json '{}'",
        "oci compute instance list --debug",
        "oci compute instance list -d",
        "oci compute instance list -i",
        "oci compute instance list --generate-full-command-json-input",
        "oci compute instance list --compartment-id file://f",
        "oci search resource structured-search --query-text file:///home/me/.ssh/id_rsa",
        "oci search resource structured-search --query-text=FILE:///home/me/.ssh/id_rsa",
        "oci compute instance list stray",
    ],
    "too long": ["gcloud logging read '" + "x" * 5000 + "'"],
}


@pytest.mark.parametrize("command", HARMLESS)
def test_a_call_that_only_reads_passes(command: str) -> None:
    assert refusal(command) is None


@pytest.mark.parametrize("command", [pytest.param(c, id=f"{why}: {c[:60]!r}") for why in REFUSED for c in REFUSED[why]])
def test_all_else_is_refused_with_a_reason(command: str) -> None:
    assert refusal(command)


def test_the_commands_in_the_agents_instructions_pass() -> None:
    told = [
        line.strip()
        for file in GUARD.parent.glob("agents/*.md")
        for line in file.read_text().splitlines()
        if re.match(r" {4}(gcloud|oci) ", line)
    ]
    assert len(told) > 15
    assert {command: refusal(command) for command in told if refusal(command)} == {}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for $PATH whose gcloud and oci tell what they were given."""
    folder = tmp_path_factory.mktemp("cloud")
    for name in ("gcloud", "oci"):
        (folder / name).write_text(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\"\n")
        (folder / name).chmod(0o755)
    return folder


def as_shells_run_it(command: str, cloud: Path) -> list[list[str]]:
    ran = [
        subprocess.run(
            [shell, "-c", command],
            env={"PATH": str(cloud)},
            cwd=cloud,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        for shell in SHELLS
    ]
    assert [shell.stderr for shell in ran] == [""] * len(SHELLS)
    return [shell.stdout.split("\0")[:-1] for shell in ran]


@pytest.mark.parametrize("command", HARMLESS)
def test_a_permitted_command_reaches_the_program_word_by_word(command: str, cloud: Path) -> None:
    assert as_shells_run_it(command, cloud) == [shlex.split(command)] * len(SHELLS)


PLAIN = st.lists(st.sampled_from([*"ab=,.:/+@ ", "-", "''", "'$(a); b > c'", '"a | b & c"', "'é*'", '"~"']), max_size=6)


@settings(max_examples=300, deadline=None)
@given(before=PLAIN, odd=st.sampled_from(["", *"é-'\"$`\\;|&<>(){}[]*?~#!^%\t\n"]), after=PLAIN)
def test_no_text_that_passes_means_anything_to_a_shell(
    before: list[str], odd: str, after: list[str], cloud: Path
) -> None:
    command = "".join(["gcloud logging read ", *before, odd, *after])
    if refusal(command) is None:
        assert as_shells_run_it(command, cloud) == [shlex.split(command)] * len(SHELLS)


def hook(given: object, agent: str | None = None, session: str = "lead") -> tuple[int, dict[str, str]]:
    """Exit code and decision of the hook for a command, or for bytes that are all it is given. The team knows the
    ``session`` by that name."""
    payload = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "agent_type": agent, "tool_input": given}
    ran = subprocess.run(
        [sys.executable, "-IS", GUARD],
        input=given if isinstance(given, bytes) else json.dumps(payload).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "TEAMSUP_AGENT": session},
    )
    assert bool(ran.stderr) is (ran.returncode != 0), ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)["hookSpecificOutput"] if ran.stdout else {}
    assert answer.pop("hookEventName", "PreToolUse") == "PreToolUse"
    return ran.returncode, answer


@pytest.mark.parametrize("agent", ["gcp-monitor", "oci-monitor", "teamsup:gcp-monitor", "a:b:oci-monitor"])
def test_a_watcher_is_denied_what_changes_and_needs_nobody_for_what_reads(agent: str) -> None:
    code, answer = hook({"command": BAD}, agent)
    assert (code, answer["permissionDecision"]) == (0, "deny")
    assert answer["permissionDecisionReason"].startswith(f"{agent.rpartition(':')[2]} only reads: 'compute instances")
    code, answer = hook({"command": GOOD}, agent)
    assert (code, answer["permissionDecision"]) == (0, "allow")


@pytest.mark.parametrize("agent", ["GCP-Monitor", " oci-monitor\t", "Teamsup:Oci-MONITOR ", "\u3000gcp-monitor"])
def test_a_watcher_is_known_in_every_spelling_that_has_its_mailbox(agent: str) -> None:
    assert normalize_name(agent.rpartition(":")[2]) in ("gcp-monitor", "oci-monitor")
    assert hook({"command": "rm -rf ~"}, agent)[1]["permissionDecision"] == "deny"


@pytest.mark.parametrize("session", ["gcp-monitor", " OCI-Monitor "])
@pytest.mark.parametrize("agent", [None, "Explore"])
def test_a_session_that_the_team_knows_as_a_watcher_only_reads(session: str, agent: str | None) -> None:
    """Also when it was started without --agent, and also in its subagents."""
    assert hook({"command": BAD}, agent, session)[1]["permissionDecision"] == "deny"
    assert hook({"command": GOOD}, agent, session)[1]["permissionDecision"] == "allow"
    assert hook(b"[]", agent, session) == (2, {})


def test_a_watcher_whose_name_is_written_with_escapes_is_known() -> None:
    payload = {"agent_type": "gcp-monitor", "tool_input": {"command": "rm -rf ~"}}
    escaped = json.dumps(payload).replace("gcp", "\\u0047c\\u0050").encode()
    assert hook(escaped)[1]["permissionDecision"] == "deny"


@pytest.mark.parametrize(
    "agent", [None, "", "alert-manager", "teamsup:alert-manager", "my-gcp-monitor", "gcp-monitor:x"]
)
def test_others_are_none_of_its_business(agent: str | None) -> None:
    assert hook({"command": BAD}, agent) == (0, {})
    assert hook({"command": f"{BAD} # not by gcp-monitor"}, agent) == (0, {})


def test_leaving_a_sandbox_is_for_a_person_to_allow() -> None:
    assert hook({"command": GOOD, "dangerouslyDisableSandbox": True}, "gcp-monitor") == (0, {})
    assert hook({"command": BAD, "dangerouslyDisableSandbox": True}, "gcp-monitor")[1]["permissionDecision"] == "deny"


@pytest.mark.parametrize("given", [{}, {"command": None}, {"command": ["gcloud", "projects", "list"]}, None, "x", [1]])
def test_a_watcher_does_not_run_a_command_that_it_cannot_judge(given: object) -> None:
    assert hook(given, "teamsup:gcp-monitor") == (2, {})


@pytest.mark.parametrize(
    "given", [b'{"agent_type": "gcp-monitor"', b'["gcp-monitor"]', b"\xff oci-monitor", b'"gcp-monitor"']
)
def test_nor_what_it_cannot_read(given: bytes) -> None:
    assert hook(given) == (2, {})


@pytest.mark.parametrize("given", [b"", b"{", b"[]", b"\xff"])
def test_a_command_that_names_no_watcher_is_left_alone(given: bytes) -> None:
    assert hook(given) == (0, {})
