#!/bin/sh
# Runs a server for as long as standard input stays open, then ends it with all its processes. A test
# holds the other end of that pipe, so its servers end with it however it ends: passed, failed, hung
# or killed. They are killed, not asked: Dovecot alone would take a second to leave.
# Told to end, it does the same; killed itself, the server's first process goes with it.
# It must be started in a process group of its own, which is what is killed.
# Usage: guard.sh COMMAND [ARGUMENT]...
exec 3<&0
trap 'kill -KILL 0' HUP INT TERM
setpriv --pdeathsig KILL "$@" < /dev/null &
# In the background, so that a trap doesn't wait for its end; what is there gets no input but by name.
cat <&3 3<&- > /dev/null &
wait $!
kill -KILL 0
