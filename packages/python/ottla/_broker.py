"""The process of one broker: started, broken on demand, ended."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time


class BrokerError(Exception):
    """A broker that did not start, or is not there. Holds what it said."""


def binary():
    """The path of the program: OTTLA_BINARY, or the one in this package."""
    return os.environ.get("OTTLA_BINARY") or str(pathlib.Path(__file__).parent / "bin" / "ottla")


class Broker:
    """A broker.

    ``config`` holds keys of Kafka's configuration, ``{"num.partitions": 3}``; ``data_dir`` keeps the data there; ``timeout`` is how many
    seconds a start may take.
    """

    def __init__(self, config=None, data_dir=None, timeout=10.0):
        self._config = dict(config or {})
        self._own_data = data_dir is None
        self._data_dir = None if data_dir is None else str(data_dir)
        self._timeout = timeout
        self._process = None
        self._log = None
        self._address = "127.0.0.1:0"

    # The life of a broker.

    def start(self):
        """Starts it; it is ready when this returns. After kill(): on the port and with the data from before."""
        if self._process is not None:
            raise BrokerError("the broker runs already")
        if self._data_dir is None:
            self._data_dir = tempfile.mkdtemp(prefix="ottla-")
        command = [binary(), "dev", "--while-stdin", "-o", "json", "--log-level", "warn"]
        command += ["--listen", self._address, "--data-dir", self._data_dir]
        if self._own_data:
            command.append("--throw-away")
        for key, value in self._config.items():
            command += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, close_fds=True
        )
        try:
            self._address = self._await_ready()["bootstrap_servers"]
        except BaseException:
            self.close()
            raise
        return self

    def kill(self):
        """Ends it as a power cut of the process: SIGKILL. The data stays, start() comes back with it."""
        self._end(signal.SIGKILL)

    def close(self):
        """Ends it and removes its data, unless data_dir was given."""
        self._end(signal.SIGTERM)
        if self._own_data and self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
            self._data_dir = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # What a test asks.

    @property
    def bootstrap_servers(self):
        """HOST:PORT."""
        return self._address

    @property
    def pid(self):
        """The number of its process; None if there is none."""
        return None if self._process is None else self._process.pid

    @property
    def data_dir(self):
        """Where its data is."""
        return self._data_dir

    def log(self):
        """What it said since its last start, warnings and worse."""
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    # Faults.

    @contextlib.contextmanager
    def refusing(self):
        """Within the block connections are refused: the process is gone, killed. After it, it is back with all it had acknowledged."""
        self.kill()
        try:
            yield self
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self):
        """Within the block nothing is answered and connections stay open: the process is stopped."""
        process = self._freeze()
        try:
            yield self
        finally:
            process.send_signal(signal.SIGCONT)

    def delay(self, seconds):
        """Whatever is asked within the next seconds is answered after them. Returns when it is frozen."""
        process = self._freeze()

        def resume():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)

        timer = threading.Timer(seconds, resume)
        timer.daemon = True
        timer.start()

    # Within.

    def _there(self):
        if self._process is None:
            raise BrokerError("the broker does not run")
        return self._process

    def _freeze(self):
        process = self._there()
        process.send_signal(signal.SIGSTOP)
        # Told when the last of its threads stands still; its end is told, too, and left for whoever waits for that.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return process

    def _await_ready(self):
        deadline, line = time.monotonic() + self._timeout, b""
        out = self._process.stdout
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise BrokerError(f"not ready after {self._timeout} s\n{self.log()}")
            read = os.read(out.fileno(), 65536)
            if not read:
                raise BrokerError(f"the broker did not start\n{self.log()}")
            line += read
        return json.loads(line)

    def _end(self, how):
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            # A frozen one hears nothing else.
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        try:
            process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        process.stdout.close()
