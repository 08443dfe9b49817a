#!/usr/bin/env python3
"""Reminds whoever asks for it. The Python standard library and nothing else.

    byway bot run --in Bob --may answer reminder.py reminders.json

    Bob:  remind me in 10 minutes to turn off the oven
    you:  I'll remind you in 10 minutes.
    you:  You wanted to be reminded to turn off the oven.

What is to come is kept in the file, so that nothing is forgotten when the bot is started anew.
"""

import json
import os
import pathlib
import queue
import re
import sys
import threading
import time

ASKED = re.compile(r"remind me in (\d{1,4}) (second|minute|hour|day)s? to (.{1,500})", re.IGNORECASE)
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
# One person can't have more to come than this.
KEPT_MAX = 100


def read_lines(lines):
    for line in sys.stdin:
        lines.put(json.loads(line))
    lines.put(None)


class Reminders:
    """What is to come: lists of [when, conversation, message, what]."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.kept = json.loads(self.path.read_text()) if self.path.exists() else []
        self.requests = 0

    def write(self):
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(self.kept))
        os.replace(beside, self.path)

    def send(self, to, text, reply):
        self.requests += 1
        params = {"to": to, "text": text, "reply": reply}
        print(json.dumps({"jsonrpc": "2.0", "id": self.requests, "method": "send", "params": params}), flush=True)

    def take(self, message):
        asked = ASKED.search(message["text"])
        if not asked:
            return
        conversation = message["conversation"]
        if sum(1 for kept in self.kept if kept[1] == conversation) >= KEPT_MAX:
            self.send(conversation, "I have too much to remember for you already.", message["message"])
            return
        count, unit, what = int(asked[1]), asked[2].lower(), asked[3].strip()
        self.kept.append([time.time() + count * SECONDS[unit], conversation, message["message"], what])
        self.write()
        plural = "" if count == 1 else "s"
        self.send(conversation, f"I'll remind you in {count} {unit}{plural}.", message["message"])

    def remind(self):
        """Says what is due; how many seconds until something is, or nothing."""
        now = time.time()
        due = [kept for kept in self.kept if kept[0] <= now]
        self.kept = [kept for kept in self.kept if kept[0] > now]
        for _, conversation, message, what in due:
            self.send(conversation, f"You wanted to be reminded to {what}.", message)
        if due:
            self.write()
        return min((kept[0] - now for kept in self.kept), default=None)


def main():
    reminders, lines = Reminders(sys.argv[1] if len(sys.argv) > 1 else "reminders.json"), queue.Queue()
    threading.Thread(target=read_lines, args=(lines,), daemon=True).start()
    while True:
        try:
            said = lines.get(timeout=reminders.remind())
        except queue.Empty:
            continue
        if said is None:
            return
        if "error" in said:
            print(said["error"]["message"], file=sys.stderr, flush=True)
        if said.get("method") == "message":
            reminders.take(said["params"])


if __name__ == "__main__":
    main()
