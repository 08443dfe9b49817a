#!/usr/bin/env python3
"""http-fetch: a service for Byway that fetches URLs on behalf of whoever pays for it.

Problem: a service that anyone may pay for must fetch what strangers name, and must not become their way into the network
of the machine that it runs on.

Idea: the node does everything about money. This program listens on one Unix socket. The node's first connection is for
control (who may have a session, in lines of JSON); every other connection is one stream of a client, and begins with a
line that names its session. On a stream the client says what to fetch in one line of JSON, and gets one line of JSON and
the content back. The formats are in docs/formats/service.md and in this folder's README.md.

Safety: a name is resolved once, and the connection goes to the address that was checked. Only public addresses and the
ports given are allowed, redirects are shown and not followed, and everything from outside has a bound.

Only the Python standard library is used.
"""

import argparse
import http.client
import ipaddress
import json
import os
import socket
import ssl
import sys
import threading
import urllib.parse

PROTOCOL = 1
VERSION = "http-fetch 1"
LINE_MAX = 16 * 1024          # bytes of a line
URL_MAX = 4096                # characters of a URL
WAIT_SECONDS = 20             # for connecting, and for every read
BLOCK_BYTES = 64 * 1024       # what is passed on at once
HEADERS_SHOWN = ("content-type", "content-length", "location", "last-modified", "etag")
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """Why something is not done, in words for the client."""


def plain(address):
    """The IPv4 address inside an IPv6 address that only stands for one."""
    if address.version == 6:
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def may_connect(address, allowed):
    """Whether strangers may be connected to this address."""
    address = plain(address)
    if any(address in network for network in allowed if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def connect(host, port, options):
    """A connection to the first address of `host` that is allowed; the name is not looked up again."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Refused("the host's name can't be resolved")
    addresses = [at for at in found if may_connect(ipaddress.ip_address(at[4][0].split("%")[0]), options.allow)]
    if not addresses:
        raise Refused("the host has no address that may be connected to")
    for family, kind, protocol, _, at in addresses[:4]:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(WAIT_SECONDS)
        try:
            connection.connect(at)
        except OSError:
            connection.close()
            continue
        own = ipaddress.ip_address(connection.getsockname()[0].split("%")[0])
        if connection.getpeername()[0] == connection.getsockname()[0] and not any(
            own in network for network in options.allow if network.version == own.version
        ):
            connection.close()
            raise Refused("the host is this machine")
        return connection
    raise Refused("the host does not answer")


def fetch(url, options):
    """Asks for `url` by GET. Gives the answer, whose content is not read yet, and the connection to be closed after it."""
    if len(url) > URL_MAX or any(ord(character) <= 32 or ord(character) > 126 for character in url):
        raise Refused("the URL is too long, or has characters that must be percent-encoded")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        raise Refused("only http:// and https:// are fetched")
    if not parts.hostname or parts.username or parts.password:
        raise Refused("the URL needs a host, and no name or password")
    if options.port and port not in options.port:
        raise Refused("this port is not allowed")
    connection = connect(parts.hostname, port, options)
    try:
        if parts.scheme == "https":
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
        asked = http.client.HTTPConnection(parts.hostname, port)
        asked.sock = connection
        path = parts.path or "/"
        asked.request("GET", f"{path}?{parts.query}" if parts.query else path, headers={"User-Agent": VERSION})
        return asked.getresponse(), connection
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Refused(f"the host answers badly: {type(error).__name__}")


def read_line(stream):
    """One line of JSON, or None where there is none. Raises ValueError if it is anything else."""
    line = stream.readline(LINE_MAX + 1)
    if not line.endswith(b"\n"):
        if len(line) > LINE_MAX:
            raise ValueError("a line is too long")
        return None
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("a line must hold an object")
    return said


def serve_stream(stream, options):
    """One request of a client: a line with the URL comes in, a line about the answer and the content go out."""
    try:
        asked = read_line(stream)
        if asked is None:
            return
        bytes_max = asked.get("max_bytes", options.max_bytes)
        if not isinstance(asked.get("url"), str) or not isinstance(bytes_max, int):
            raise Refused('write {"url": "https://…"} and a line end')
        bytes_max = max(0, min(bytes_max, options.max_bytes))
        answer, connection = fetch(asked["url"], options)
    except (Refused, ValueError) as error:
        say(stream, {"error": str(error)})
        return
    with connection:
        headers = {name: answer.headers[name][:1024] for name in HEADERS_SHOWN if answer.headers[name]}
        say(stream, {"status": answer.status, "headers": headers, "max_bytes": bytes_max})
        left = bytes_max
        while left > 0:
            block = answer.read(min(BLOCK_BYTES, left))
            if not block:
                break
            stream.write(block)
            stream.flush()
            left -= len(block)


def say(stream, message):
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


class Service:
    """The sessions that the node has told of, and the streams that are open in each."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.streams = {}

    def control(self, stream, hello):
        """Talks with the node until it is gone, and then ends the program: without a node there is nobody to serve."""
        if hello.get("protocol") != PROTOCOL:
            raise ValueError("the node speaks another version")
        say(stream, {"type": "hello", "protocol": PROTOCOL, "service": hello["service"], "version": VERSION})
        while True:
            said = read_line(stream)
            if said is None:
                return
            if said["type"] == "accept":
                self.accept(stream, said["session"], bytes.fromhex(said["data"]))
            elif said["type"] == "started":
                with self.lock:
                    self.streams.setdefault(said["session"], 0)
            elif said["type"] == "ended":
                with self.lock:
                    self.streams.pop(said["session"], None)

    def accept(self, stream, session, data):
        """A client may say nothing, or that it speaks version 1."""
        try:
            fits = not data or json.loads(data) == {"version": 1}
        except ValueError:
            fits = False
        if not fits:
            reason = 'the data must be empty or {"version":1}'
            return say(stream, {"type": "refused", "session": session, "reason": reason})
        with self.lock:
            self.streams.setdefault(session, 0)
        answer = json.dumps({"version": 1, "max_bytes": self.options.max_bytes}).encode().hex()
        say(stream, {"type": "accepted", "session": session, "data": answer})

    def client(self, stream, session):
        """A client's stream; there is a bound on those of one session."""
        with self.lock:
            if self.streams.get(session, self.options.streams) >= self.options.streams:
                return
            self.streams[session] += 1
        try:
            serve_stream(stream, self.options)
        finally:
            with self.lock:
                if session in self.streams:
                    self.streams[session] -= 1

    def connection(self, connection):
        """What a connection is for stands in its first line."""
        with connection, connection.makefile("rwb") as stream:
            try:
                first = read_line(stream) or {}
                if first.get("type") == "hello":
                    try:
                        self.control(stream, first)
                    finally:
                        os._exit(0)
                elif first.get("type") == "stream":
                    self.client(stream, first["session"])
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                # The other end has gone, or keeps to no format; nothing of it is anyone else's business.
                print(f"a connection ended: {type(error).__name__}", file=sys.stderr, flush=True)


def main():
    arguments = argparse.ArgumentParser(description="A Byway service that fetches URLs; started by a node.")
    arguments.add_argument("--max-bytes", type=int, default=64 * 1024 * 1024, help="of one answer")
    arguments.add_argument("--streams", type=int, default=8, help="at one time in one session")
    arguments.add_argument("--port", type=int, action="append", help="allow this port; 80 and 443 when left out, 0 for all")
    arguments.add_argument("--allow", type=ipaddress.ip_network, action="append", default=[], metavar="NETWORK",
                           help="allow these addresses although they are not public")
    options = arguments.parse_args()
    options.port = set() if options.port and 0 in options.port else set(options.port or (80, 443))
    path = os.environ["BYWAY_SOCKET"]
    # Whoever asked for another session waits here, and the node sees to it that there are not too many.
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    service = Service(options)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=service.connection, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
