#!/usr/bin/env python3
"""Asks for a payment by a link, and waits until it is final. The Python standard library and nothing else.

    DIR=~/.local/share/byway/local python3 invoice.py 0.25 "Invoice 271"
"""

import json
import os
import pathlib
import sys
import time
import urllib.request


class CallFailed(Exception):
    """`code` is the stable word, the text is for people."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error.get("data", {}).get("code")


class Node:
    """A running node's local API, over HTTP."""

    def __init__(self, folder):
        run = json.loads(pathlib.Path(folder, "run.json").read_text())
        self.url = f"http://{run['rpc']}/"
        self.token = pathlib.Path(run["token_file"]).read_text().strip()

    def call(self, method, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=60) as answer:
            said = json.load(answer)
        if "error" in said:
            raise CallFailed(said["error"])
        return said["result"]


def main():
    amount, note = sys.argv[1], sys.argv[2]
    node = Node(os.environ["DIR"])
    begun = int(time.time() * 1000)
    asked = node.call("wallet_request", amount=amount, note=note, expires_ms=begun + 3_600_000)
    print(asked["link"], flush=True)
    while time.time() * 1000 < asked["expires_ms"]:
        # An address is one for all payments: what tells two of one amount apart is when they came.
        for entry in node.call("wallet_history", limit=50):
            if entry["kind"] == "receive" and entry["amount"] == amount and entry["time_ms"] >= begun:
                # What a wallet receives it has read under a certificate, so that it is final.
                print(f"paid: {entry['transaction_id']}")
                return
        time.sleep(1)
    sys.exit("nobody paid in time")


if __name__ == "__main__":
    main()
