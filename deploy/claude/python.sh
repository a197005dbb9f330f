# Runs a script with the Python of the teamsup that is in use, where $TEAMSUP says which. The python3 of the PATH may be a
# wrapper that takes longer to find the real one than a hook takes to run.
case "$TEAMSUP" in
  /*) python="${TEAMSUP%/*}/python3" ;;
  *) python= ;;
esac
[ -x "$python" ] || python=python3
exec "$python" -IS "$1"
