"""Nodes of ours with TLS: their files, their starts and ends, and the programs that are asked to connect to them.

Environment: OTTLA is the binary, KEYS a directory that keys.sh has filled, SCRATCH one for nodes, CLASSES the class path of Kafka's tools.
"""
import os
import shutil
import socket
import subprocess
import time

OTTLA, KEYS, SCRATCH, CLASSES = (os.environ[name] for name in ("OTTLA", "KEYS", "SCRATCH", "CLASSES"))
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
USERS = f'{PLAIN} username="broker" password="b-secret" user_broker="b-secret" user_alice="a-secret";'
NODES = []


def key(name):
    return os.path.join(KEYS, name)


def store(name, kind, prefix="", password="store-secret"):
    """Properties of a key store."""
    found = {f"{prefix}ssl.keystore.location": key(name), f"{prefix}ssl.keystore.type": kind}
    return found if kind == "PEM" else found | {f"{prefix}ssl.keystore.password": password}


def trust(name, kind, prefix="", password="store-secret"):
    """Properties of a trust store."""
    found = {f"{prefix}ssl.truststore.location": key(name), f"{prefix}ssl.truststore.type": kind}
    return found if kind == "PEM" else found | {f"{prefix}ssl.truststore.password": password}


def ports(count):
    """Ports that were free a moment ago, below those that the kernel gives by itself."""
    found, step = [], os.getpid() * 89
    while len(found) < count:
        port, step = 10_000 + step % 20_000, step + 1
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                pass
    return found


def write(name, properties):
    path = os.path.join(SCRATCH, name)
    with open(path, "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in properties.items())
    return path


def run(*command, seconds=60, words=""):
    """Exit code and all that a program says."""
    done = subprocess.run(
        [str(one) for one in command], input=words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds
    )
    return done.returncode, done.stdout


class Node:
    """A node with these properties, formatted, not started."""

    def __init__(self, name, properties):
        self.name, self.process = name, None
        self.directory, self.log = os.path.join(SCRATCH, name), os.path.join(SCRATCH, f"{name}.log")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.file = write(f"{name}.properties", {"log.dirs": self.directory} | properties)
        code, said = run(OTTLA, "storage", "format", "-t", CLUSTER, "-c", self.file)
        assert code == 0, said
        NODES.append(self)

    def start(self):
        self.process = subprocess.Popen([OTTLA, "server", "-c", self.file], stdout=open(self.log, "a"), stderr=subprocess.STDOUT)
        return self

    def ready(self, seconds=30):
        end = time.monotonic() + seconds
        while "is ready" not in self.said():
            assert self.process.poll() is None and time.monotonic() < end, self.said()[-2000:]
            time.sleep(0.05)
        return self

    def said(self):
        with open(self.log) as file:
            return file.read()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with open(self.log, "w"):
            pass

    def alive(self):
        return self.process is not None and self.process.poll() is None


def ottla(*arguments, properties, address, seconds=60):
    """A command of ours with client properties."""
    file = write("command.properties", properties)
    return run(OTTLA, *arguments, "-b", address, "--command-config", file, seconds=seconds)


def java(tool, *arguments, properties, address, words="", seconds=90):
    """A tool of Kafka's with client properties."""
    file = write("java.properties", properties)
    command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", CLASSES, tool, "--bootstrap-server", address]
    return run(*command, "--command-config", file, *arguments, words=words, seconds=seconds)


def kcat(address, *arguments, words="", seconds=30, **settings):
    options = [part for name, value in settings.items() for part in ("-X", f"{name.replace('_', '.')}={value}")]
    return run("kcat", "-b", address, "-m", "8", *options, *arguments, words=words, seconds=seconds)
