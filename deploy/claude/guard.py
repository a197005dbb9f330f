"""A hook before every Bash command: the agents that watch a cloud can only read there, and do nothing else.

In a run, which nobody watches, it runs before every call that may have an effect, and asks gate.py about it too.

They may run one gcloud or oci command that is known to read and to change nothing. Nothing else passes:
no other program, no second command, no option that is not listed here. The list deliberately has no option for another
identity, server, configuration or file. A person sets up the agent's identity.
"""

from __future__ import annotations

import posix  # importing os takes as long as the rest of this program
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as does typing
    from typing import Any

WATCHERS = ("gcp-monitor", "oci-monitor")

# The list leaves out some commands called list, get or describe. They print secrets (keys, tokens, wallets, initial
# passwords, connection credentials), write files, or need a component that gcloud would install.
_GCLOUD_READS = """
alloydb clusters: list describe
alloydb instances: list describe
app instances: list describe
app logs: read
app services: list describe
app versions: list describe
artifacts repositories: list describe
bigtable clusters: list describe
bigtable instances: list describe
builds: list describe
certificate-manager certificates: list describe
composer environments: list describe
compute addresses: list describe
compute backend-services: list describe get-health
compute disks: list describe
compute firewall-rules: list describe
compute forwarding-rules: list describe
compute health-checks: list describe
compute images: list describe
compute instance-groups: list describe list-instances
compute instance-groups managed: list describe list-instances list-errors
compute instance-templates: list describe
compute instances: list describe get-serial-port-output
compute machine-types: list describe
compute network-endpoint-groups: list describe list-network-endpoints
compute networks: list describe
compute networks subnets: list describe
compute operations: list describe
compute project-info: describe
compute regions: list describe
compute reservations: list describe
compute resource-policies: list describe
compute routers: list describe get-status
compute routes: list describe
compute security-policies: list describe
compute snapshots: list describe
compute ssl-certificates: list describe
compute target-http-proxies: list describe
compute target-https-proxies: list describe
compute target-pools: list describe get-health
compute url-maps: list describe
compute vpn-gateways: list describe get-status
compute vpn-tunnels: list describe
compute zones: list describe
container clusters: list describe
container node-pools: list describe
container operations: list describe
dataflow jobs: list describe
dataproc clusters: list describe
dataproc jobs: list describe
deploy releases: list describe
deploy rollouts: list describe
dns managed-zones: list describe
dns record-sets: list describe
filestore instances: list describe
functions: list describe
functions logs: read
logging: read
logging buckets: list describe
logging logs: list
logging metrics: list describe
logging resource-descriptors: list
logging sinks: list describe
memcache instances: list describe
monitoring dashboards: list describe
monitoring policies: list describe
monitoring snoozes: list describe
monitoring uptime: list-configs describe
network-management connectivity-tests: list describe
projects: list describe
pubsub subscriptions: list describe
pubsub topics: list describe
redis instances: list describe
run jobs: list describe
run jobs executions: list describe
run jobs logs: read
run revisions: list describe
run services: list describe
run services logs: read
scheduler jobs: list describe
services: list
spanner databases: list describe
spanner instances: list describe
sql backups: list describe
sql databases: list describe
sql instances: list describe
sql operations: list describe
storage buckets: list
tasks queues: list describe
workflows: list describe
workflows executions: list describe
"""

_OCI_READS = """
announce announcements: list get
api-gateway deployment: list get
api-gateway gateway: list get
audit event: list
autoscaling configuration: list get
bv boot-volume: list get
bv volume: list get
bv volume-group: list get
ce cluster: list get
ce node-pool: list get
ce work-request: list get
ce work-request-error: list
ce work-request-log-entry: list
compute boot-volume-attachment: list get
compute image: list get
compute instance: list get list-vnics
compute instance-maintenance-event: list get
compute shape: list
compute vnic-attachment: list get
compute volume-attachment: list get
compute-management instance-pool: list get list-instances
container-instances container: list get
container-instances container-instance: list get
db autonomous-database: list get
db backup: list get
db cloud-vm-cluster: list get
db database: list get
db db-home: list get
db node: list get
db system: list get
dns zone: list get
events rule: list get
fn application: list get
fn function: list get
fs file-system: list get
fs mount-target: list get
health-checks http-monitor: list get
health-checks http-probe-result: list
health-checks ping-monitor: list get
health-checks ping-probe-result: list
iam availability-domain: list
iam compartment: list get
iam fault-domain: list
iam region: list
iam region-subscription: list
iam tenancy: get
lb backend: list get
lb backend-health: get
lb backend-set: list get
lb backend-set-health: get
lb load-balancer: list get
lb load-balancer-health: list get
limits resource-availability: get
limits service: list
limits value: list
logging log: list get
logging log-group: list get
logging-search: search-logs
monitoring alarm: list get
monitoring alarm-history-collection: get-alarm-history
monitoring alarm-status: list-alarms-status
monitoring metric: list
monitoring metric-data: summarize-metrics-data
mysql db-system: list get
network drg: list get
network internet-gateway: list get
network ip-sec-connection: list get-status
network nat-gateway: list get
network nsg: list get
network nsg rules: list
network public-ip: list get
network route-table: list get
network security-list: list get
network service-gateway: list get
network subnet: list get
network vcn: list get
network vnic: get
nlb backend-health: get
nlb backend-set: list get
nlb backend-set-health: get
nlb network-load-balancer: list get
nlb network-load-balancer-health: list get
os bucket: list get
os ns: get
psql db-system: get
psql db-system-collection: list-db-systems
redis redis-cluster redis-cluster: get
redis redis-cluster redis-cluster-summary: list-redis-clusters
search resource: free-text-search structured-search
work-requests work-request: list get
work-requests work-request-error: list
work-requests work-request-log-entry: list
"""

# Options by their value: a text such as a filter, a name, a place (which may become part of a host's name), or none.
# Any other option that ends in -id takes a name.
_TEXTS = "--filter --flatten --format --log-filter --query --query-text --search-query --sort-by --text"
_PROJECTIONS = "--filter --flatten --format --sort-by"
_PATHS = "--logs --resource-names"
_PLACES = "--location --locations --region --regions --zone --zones"
_SWITCHES = """
--all --available --enabled --full --gen2 --global --hide-no-traffic --ongoing --only-managed --only-unmanaged
--raw-output --show-deprecated --uri --v2
"""
_NAMES = """
--alarm-historytype --availability-domain --backend-name --backend-set-name --bucket --bucket-name --cluster
--compartment-id-in-subtree --created-after --created-before --delivery-pipeline --display-name --end-time --fields
--folder --freshness --instance --instances --is-return-field-info --job --level --lifecycle-state --limit
--limit-name --logs --min-log-level --name --namespace --namespace-name --network --order --organization --output
--page --page-size --port --project --protocol --release --resolution --resource-group --resource-names
--scope-type --service --service-name --shape --sort-order --start --start-time --state-filter --status --time-end
--time-start --timestamp-greater-than-or-equal-to --timestamp-less-than --type --version --view --workflow
-bn -c -ns
"""

_MAX_COMMAND = 4096
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PLACE = frozenset(_LETTERS + "0123456789-,")
_BARE = frozenset(_LETTERS + _LETTERS.upper() + "0123456789_.,:/@=+-")
_NAME = _BARE | {" "}


class _Refused(Exception):
    """The text tells the agent why the command is refused."""


def refusal(command: str) -> str | None:
    """Return why a watching agent may not run this command; None: it is harmless."""
    try:
        program, *words = _words(command) or [""]
        if program == "gcloud":
            read, arguments = _split(_GCLOUD_READS, words)
            _check_gcloud(read, _without_options(arguments))
        elif program == "oci":
            _, arguments = _split(_OCI_READS, words)
            _check_oci(arguments, _without_options(arguments))
        else:
            raise _Refused("only gcloud and oci, with nothing before them")
    except _Refused as refused:
        return str(refused)
    return None


def _words(command: str) -> list[str]:
    """Return the words of one simple command. Refuse every text that some shell could read in another way."""
    if len(command) > _MAX_COMMAND:
        raise _Refused("the command is too long")
    words = []
    word: str | None = None
    quote = ""
    for character in command:
        if character < " " or character == "\x7f":
            raise _Refused("one command on one line, without tabs")
        if quote:
            if character == quote:
                quote = ""
            elif quote == '"' and character in "$`\\!":
                raise _Refused(f"{character} has a meaning between double quotes; use single quotes")
            else:
                word = (word or "") + character
        elif character in "'\"":
            quote = character
            word = word or ""
        elif character == " ":
            if word is not None:
                words.append(word)
            word = None
        elif character == "=" and not word:
            # zsh replaces such a word by the path of a program, also after empty quotes.
            raise _Refused("a word that begins with = is for single quotes only")
        elif character in _BARE:
            word = (word or "") + character
        else:
            raise _Refused(f"one command without pipe, redirection or variable; {character} is for single quotes only")
    if quote:
        raise _Refused("a quote is not closed")
    return words if word is None else [*words, word]


def _split(reads: str, words: list[str]) -> tuple[str, list[str]]:
    """Return the command's name, which comes first and is on the list, and the words after it."""
    known: set[str] = set()
    for line in reads.strip().splitlines():
        group, verbs = line.split(": ")
        known.update(f"{group} {verb}" for verb in verbs.split())
    for count in range(1, len(words) + 1):
        if " ".join(words[:count]) in known:
            return " ".join(words[:count]), words[count:]
    name = " ".join(words[:4])
    raise _Refused(f"{name!r} does not begin with the name of a command that is known to read only")


def _without_options(arguments: list[str]) -> list[str]:
    """Check the options, and return the words that belong to none."""
    positional = []
    rest = iter(arguments)
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            positional.append(word)
        elif option in _SWITCHES.split():
            if equals:
                raise _Refused(f"{option} takes no value")
        else:
            if not equals:
                value = next(rest, "-")
                if value.startswith("-"):
                    raise _Refused(f"{option} is not known to be harmless without a value; write {option}=VALUE")
            _check_option(option, value)
    return positional


def _check_option(option: str, value: str) -> None:
    if option in _TEXTS.split():
        # In gcloud's projections a format string can read every object of the program, also the environment.
        if option in _PROJECTIONS.split() and ("{" in value or "__" in value):
            raise _Refused(f"{option} may have neither braces nor '__'")
        return
    if option in _PLACES.split():
        allowed = _PLACE
    elif option in _NAMES.split() or option.endswith("-id"):
        allowed = _NAME
    else:
        raise _Refused(f"the option {option} is not among those known to be harmless")
    # A name with a path in it would name another resource, such as a secret beside the allowed one.
    is_path = "/" in value and option not in _PATHS.split()
    if not allowed.issuperset(value) or "://" in value or is_path:
        raise _Refused(f"{value!r} is not a plain value for {option}")


def _check_gcloud(read: str, positional: list[str]) -> None:
    if read == "logging read":
        return
    for word in positional:
        # The address of a resource names the server that gets the credentials. A path in it could name another
        # resource.
        if not word[:1].isalnum() or not _NAME.issuperset(word) or "/" in word or ":" in word:
            raise _Refused(f"{word!r} is not a plain name")


def _check_oci(arguments: list[str], positional: list[str]) -> None:
    if any("file://" in word.lower() for word in arguments):
        raise _Refused("the content of a file is not to be sent")
    if positional:
        raise _Refused(f"{positional[0]!r} belongs to no option")


def _fold(name: str) -> str:
    """Fold the name as the team does. Otherwise another spelling would have this agent's mailbox without its guard."""
    return name.strip().lower()


def _session() -> str:
    """Return the team's name for the session and its subagents. It counts also without ``--agent``."""
    return _fold(posix.environ.get(b"TEAMSUP_AGENT", b"").decode(errors="replace"))


def decision(payload: dict[str, Any]) -> dict[str, str] | None:
    """Return the decision for Claude Code about this command; None: the guard has no opinion."""
    names = (_fold(str(payload.get("agent_type") or "").rpartition(":")[2]), _session())
    agent = next((name for name in names if name in WATCHERS), None)
    if agent is None:
        return None
    command = payload["tool_input"]["command"]
    if not isinstance(command, str):
        raise TypeError("the command is not a text")
    reason = refusal(command)
    if reason is not None:
        return {"permissionDecision": "deny", "permissionDecisionReason": f"{agent} only reads: {reason}."}
    # Only a person may allow a command outside the sandbox. All other harmless commands run, because at night nobody
    # can answer.
    if payload["tool_input"].get("dangerouslyDisableSandbox"):
        return None
    return {"permissionDecision": "allow", "permissionDecisionReason": "it only reads"}


def main() -> int:
    """Answer Claude Code, which takes exit code 2 as a refusal as well."""
    given = sys.stdin.buffer.read()
    run = posix.environ.get(b"TEAMSUP_RUN", b"")
    # This runs before every command, and most need not wait for the import of json. An escape may be any letter.
    seen = given.lower()
    is_named = _session() in WATCHERS or any(watcher.encode() in seen for watcher in WATCHERS)
    if not is_named and b"\\u" not in seen and not run and sys.argv[1:] != ["run"]:
        return 0
    try:
        import json

        payload = json.loads(given)
        is_command = payload.get("tool_name", "Bash") == "Bash"
        decided = decision(payload) if is_command else None
        if run or sys.argv[1:] == ["run"]:
            decided = _pass_gate(payload, run.decode(), decided)
        if decided:
            sys.stdout.write(json.dumps({"hookSpecificOutput": {"hookEventName": "PreToolUse", **decided}}))
            sys.stdout.flush()
    except Exception as error:
        sys.stderr.write(f"what cannot be judged does not run: {error!r}\n")
        return 2
    return 0


def _pass_gate(payload: dict[str, Any], run: str, decided: dict[str, str] | None) -> dict[str, str] | None:
    """Print the decision for a run. Its hooks give up after 30 seconds, and a call whose hook gave up may run."""
    sys.path.insert(0, __file__.rpartition("/")[0])
    import gate

    gate.limit_time(20.0)
    return gate.pass_call(payload, run, decided)


if __name__ == "__main__":
    sys.exit(main())
