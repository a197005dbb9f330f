# Runs a script with the Python beside $TEAMSUP, if that is set. The python3 on the PATH may be a wrapper that takes longer
# to find the real one than a hook takes to run.
case "$TEAMSUP" in
  /*) python="${TEAMSUP%/*}/python3" ;;
  *) python= ;;
esac
[ -x "$python" ] || python=python3
# Where no Python can run, the launcher gives way to the command that it is to start.
if [ "${1##*/}" = launcher.py ] && ! command -v "$python" >/dev/null; then
  shift
  exec "$@"
fi
[ -z "$TEAMSUP_RUN" ] || [ "${1##*/}" != guard.py ] && exec "$python" -IS "$@"
# A hook that fails lets the call pass, and nobody sits with a run: 2 refuses it.
"$python" -IS "$@" || exit 2
