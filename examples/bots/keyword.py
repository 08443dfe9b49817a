#!/usr/bin/env python3
"""Answers messages in which a keyword stands. The Python standard library and nothing else.

    byway bot run --in Bob --may answer keyword.py
    byway bot run --in-all --may answer keyword.py answers.json      {"menu": "Today: soup."}
"""

import json
import pathlib
import re
import sys

ANSWERS = {
    "help": "I answer the words *help* and *hours*; a person reads the rest.",
    "hours": "Open from nine to five, Monday to Friday.",
}


def answer_to(text, answers):
    """What belongs to the first keyword in the text, or nothing."""
    for word in re.findall(r"\w+", text.lower()):
        if word in answers:
            return answers[word]
    return None


def main():
    answers = json.loads(pathlib.Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else ANSWERS
    # One object a line; when the lines end, so does the bot.
    for line in sys.stdin:
        said = json.loads(line)
        if "error" in said:
            print(said["error"]["message"], file=sys.stderr, flush=True)
        if said.get("method") != "message":
            continue
        message = said["params"]
        answer = answer_to(message["text"], answers)
        if answer is None:
            continue
        params = {"to": message["conversation"], "text": answer, "reply": message["message"]}
        request = {"jsonrpc": "2.0", "id": message["message"][-32:], "method": "send", "params": params}
        print(json.dumps(request), flush=True)


if __name__ == "__main__":
    main()
