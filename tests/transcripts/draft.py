#!/usr/bin/env python3
"""Drafts relay scenes from wire logs: one a session that signed on, what came behind the sign-on.

    tests/transcripts/draft.py WIRE_LOG...

A wire log (`gatepost run --log-wire ADDRESS`) has no mail in it, so each literal and message becomes
a short one. What is left to do by hand: keep what is distinctive, and say in which version.
"""

import re
import sys
from pathlib import Path

# Of no interest for a relay; every server has its own.
COMMON = re.compile(r"\* (FLAGS|OK \[(PERMANENTFLAGS|UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ)|\d+ RECENT)")
MESSAGE = ["Subject: x", "", "hi", "."]


def scene(title, kind, lines):
    out = [f"== {title}"]
    signed_on = False
    for side, text in lines:
        if not signed_on:
            signed_on = side == "S" and bool(re.match(r"\S+ OK Signed on|235 ", text))
            continue
        who = {"C": "C>U", "S": "U>C"}[side]
        if COMMON.match(text):
            continue
        # Dovecot tells its times; Postfix's `<CR>` would be one here.
        text = re.sub(r" \(\d+\.\d+ [^)]*secs\)\.$", ".", text)
        text = re.sub(r"^354 .*", "354 Go ahead", text)
        if kind == "imap" and re.fullmatch(r"<literal of \d+ bytes>", text):
            out.append(f"{who}: hello")
        elif re.fullmatch(r"<message of \d+ bytes>", text):
            out += [f"{who}: {line}" for line in MESSAGE]
        elif side == "C":
            out.append(f"{who}: " + re.sub(r"\{\d+(\+?)\}$", r"{5\1}", text))
        else:
            # What stood behind the literal is on the same line of the log.
            *announced, rest = re.split(r"(?<=\{)\d+(?=\})", text)
            for before in announced:
                out.append(f"{who}: {before}2}}")
            out.append(f"{who}: " + (f"hi{rest[1:]}" if announced else rest))
    farewell = [text for side, text in lines if side == "S" and re.match(r"\* BYE |221 ", text)]
    state = f"quiet, farewell: {re.split(r'BYE |221 ', farewell[0])[1]}" if farewell else "quiet"
    return out + [f"IS: {state}", ""] if len(out) > 1 else []


def main():
    for path in map(Path, sys.argv[1:]):
        sessions = {}
        for line in path.read_text().splitlines():
            _, _, number, kind, side, text = line.split(" ", 5)
            if side in ("C:", "S:"):
                sessions.setdefault((number, kind), []).append((side[0], text))
        for (_, kind), lines in sessions.items():
            print("\n".join(scene(path.stem, kind, lines)))


main()
