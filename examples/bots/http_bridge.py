#!/usr/bin/env python3
"""Brings messages to an HTTP service on this machine, and its answers back. The Python standard library and nothing else.

    byway bot run --in Bob --may answer http_bridge.py http://127.0.0.1:8000/message

The service gets a POST with {"conversation", "title", "author", "author_name", "text"}, and answers 200 with {"text": …}, or
204 where it has nothing to say. This is how a language model that runs here, or a home automation, takes part.
"""

import ipaddress
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

# Bytes of an answer, and seconds until it is there.
ANSWER_MAX = 32 * 1024
TIME_MAX = 30
SHOWN = ("conversation", "title", "author", "author_name", "text")


def is_here(url):
    """Whether an URL leads to this machine: what people say is not to be sent elsewhere by mistake."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A service that sends one elsewhere is not followed there."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects)


def ask(url, message):
    """What the service answers, or nothing."""
    body = json.dumps({key: message[key] for key in SHOWN}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with OPENER.open(request, timeout=TIME_MAX) as answer:
            content = answer.read(ANSWER_MAX + 1)
            if answer.status == 204:
                return None
        if len(content) > ANSWER_MAX:
            raise ValueError(f"the answer is longer than {ANSWER_MAX} bytes")
        text = json.loads(content)["text"]
        return text if isinstance(text, str) and text else None
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"{url}: {error}", file=sys.stderr, flush=True)
        return None


def main():
    if len(sys.argv) != 2 or not is_here(sys.argv[1]):
        sys.exit("say where the service is, such as http://127.0.0.1:8000/message; it has to be on this machine")
    for line in sys.stdin:
        said = json.loads(line)
        if "error" in said:
            print(said["error"]["message"], file=sys.stderr, flush=True)
        if said.get("method") != "message":
            continue
        message = said["params"]
        text = ask(sys.argv[1], message)
        if text is not None:
            params = {"to": message["conversation"], "text": text, "reply": message["message"]}
            print(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "send", "params": params}), flush=True)


if __name__ == "__main__":
    main()
