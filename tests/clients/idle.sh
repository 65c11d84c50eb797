# For a client that doesn't leave when it has heard: reads what it says, and tells the test that it
# idles at the first line that matches $1, and that it was told at the next that matches $2.
watch_idle() {
    local line=
    until [[ $line == $1 ]]; do next_line; done
    echo idling
    until [[ $line == $2 ]]; do next_line; done
    echo told
}

next_line() {
    read -r line || { echo 'it has left' >&2; exit 1; }
    printf '%s\n' "$line" >&2
}
