#!/bin/sh
# Runs a server for as long as standard input stays open, then ends it. A test holds the other end
# of that pipe, so its servers end with it however it ends: passed, failed, hung or killed.
# Usage: guard.sh COMMAND [ARGUMENT]...
"$@" < /dev/null &
server=$!
cat > /dev/null
kill -TERM "$server" 2> /dev/null
wait "$server"
