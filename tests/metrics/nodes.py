"""Nodes that are watched, each started with settings of its own, and plain HTTP."""
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from checks import until

OTTLA, SCRATCH = os.environ["OTTLA"], os.environ["SCRATCH"]
NODES = []


def port(step=[os.getpid() * 97]):
    """A port that was free a moment ago, below those that the kernel gives by itself; each once."""
    while True:
        step[0] += 1
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", 10_000 + step[0] % 20_000))
                return 10_000 + step[0] % 20_000
            except OSError:
                pass


class Node:
    """A node of its own, started."""

    def __init__(self, name, metrics, **settings):
        self.address = f"127.0.0.1:{port()}"
        directory, self.log = os.path.join(SCRATCH, name), os.path.join(SCRATCH, f"{name}.log")
        shutil.rmtree(directory, ignore_errors=True)
        settings = {"metrics.listeners": metrics, "offsets.topic.num.partitions": 4, "group.initial.rebalance.delay.ms": 0} | {
            key.replace("_", "."): value for key, value in settings.items()
        }
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [OTTLA, "--listen", self.address, "--data-dir", directory, *options]
        self.process = subprocess.Popen(command, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        NODES.append(self)
        until(30, f"{name} is started", lambda: "started in" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()[-2000:]

    def said(self):
        with open(self.log) as file:
            return file.read()


def get(url, seconds=10):
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
