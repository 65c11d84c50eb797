#!/bin/bash
# A person's own systemd, as a log-in starts it, for as long as standard input stays open. It prints its
# process id; `nsenter --mount --target` that one leads to where `systemctl --user` reaches it.
# To be started as root, in a mount namespace of its own. FOLDER holds `home` and `run`, which are UID's.
#
# It is never root's: among the machine's units are some that clean up folders, and all of the machine's
# files lie before it.
# Usage: unshare --mount --propagation private user-manager.sh FOLDER UID
set -euo pipefail
folder=$1 person=$2
[ "$person" != 0 ]

mount -t tmpfs tmpfs /run
# By this, systemd knows that it is the init here.
mkdir -p /run/systemd/system
mkdir -p /etc/systemd/user
mount -t tmpfs tmpfs /etc/systemd/user
umount --recursive /sys/fs/cgroup 2> /dev/null || umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/gatepost-test-$$
mkdir "$group"
chown --recursive "$person" "$group"

as_person=(setpriv --reuid "$person" --regid "$person" --clear-groups --inh-caps=-all --no-new-privs)
(
    echo "$BASHPID" > "$group/cgroup.procs"
    exec env -i PATH="$PATH" HOME="$folder/home" XDG_RUNTIME_DIR="$folder/run" "${as_person[@]}" \
        /usr/lib/systemd/systemd --user < /dev/null > /dev/null 2>&1
) &
echo $!
# Its end below is no news.
disown

cat > /dev/null
for _ in {1..100}; do
    mapfile -t left < <(cat "$group/cgroup.procs" "$group"/{*,*/*}/cgroup.procs 2> /dev/null)
    [ ${#left[@]} != 0 ] || break
    kill -KILL "${left[@]}" 2> /dev/null || true
    sleep 0.05
done
find "$group" -depth -type d -exec rmdir {} +
