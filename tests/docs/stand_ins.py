"""Replaces the programs that change a machine or reach a public host; each stand-in checks its arguments."""

# `up` continues in the background, on free ports, at a drill's pace; `--follow` ends after a second.
NIGHTDESK = """#!/usr/bin/env bash
case " $* " in
*" up "*)
  log=$(mktemp)
  offset=$((PORT_OFFSET + $(cat pids 2> /dev/null | wc -l)))
  python -m stack.cli "$@" --port-offset "$offset" --speed 10 > "$log" 2>&1 < /dev/null &
  echo $! >> pids
  until grep -q Ctrl-C "$log"; do
    kill -0 $! 2> /dev/null || { cat "$log"; wait $!; exit $?; }
    sleep 0.1
  done
  exit 0 ;;
*" --follow "*) timeout 2 python -m stack.cli "$@"; code=$?; [ $code = 124 ] && code=0 ;;
*) python -m stack.cli "$@"; code=$? ;;
esac
exit $code
"""
_EACH_FILE = """
for word; do
  case "$word" in
  @*) file=${word#@} ;;
  --from-file=*) file=${word#--from-file=} ;;
  *.yml|*/kubernetes) file=$word ;;
  *) continue ;;
  esac
  [ -e "$file" ] || { echo "$0: there is no $file" >&2; exit 66; }
done
"""
PROGRAMS = {
    # tests/compose and tests/render/test_kubernetes.py test containers and clusters.
    "docker": f'#!/bin/sh\n[ "$1" = compose ] || exit 64\n[ -f docker-compose.yml ] || exit 66\n{_EACH_FILE}',
    "kubectl": f"#!/bin/sh\n{_EACH_FILE}",
    # A test must not change this machine's units.
    "systemctl": "#!/bin/sh\nexit 0\n",
    "loginctl": "#!/bin/sh\nexit 0\n",
    "journalctl": "#!/bin/sh\ncat bot.log\n",
    # A test must not call a public host.
    "curl": f"""#!/usr/bin/env bash
for word; do case "$word" in http://127.0.0.1*) exec /usr/bin/curl -sSf "$@" ;; esac; done
case "$*" in
*getUpdates*) echo '{{"ok":true,"result":[{{"message":{{"chat":{{"id":-100123,"type":"private"}}}}}}]}}' ;;
*) {_EACH_FILE} ;;
esac
""",
}
