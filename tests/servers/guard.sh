#!/bin/sh
# Runs a server for as long as standard input stays open, then ends it with all its processes. A test
# holds the other end of that pipe, so its servers end with it however it ends: passed, failed, hung
# or killed. They are killed, not asked: Dovecot alone would take a second to leave.
# It must be started in a process group of its own, which is what is killed.
# Usage: guard.sh COMMAND [ARGUMENT]...
"$@" < /dev/null &
cat > /dev/null
kill -KILL 0
