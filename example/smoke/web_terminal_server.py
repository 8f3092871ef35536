"""Starts the example web_terminal for the tests. A test that takes longer than two minutes ends with an error."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time


def on_alarm(*_):
    raise TimeoutError


signal.signal(signal.SIGALRM, on_alarm)
signal.alarm(120)


class Server:
    def __init__(self, examples, *arguments):
        self.process = subprocess.Popen(
            [pathlib.Path(examples) / "web_terminal", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/$", self.process.stderr.readline())[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, signals=1):
        """Returns the exit code."""
        for _ in range(signals):
            self.process.send_signal(signal.SIGTERM)
            if signals > 1:
                time.sleep(0.5)  # equal signals that are pending become one
        return self.process.wait()


def wait_until(condition, text):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, text
        time.sleep(0.02)


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def new_folder():
    return tempfile.TemporaryDirectory(prefix="web_terminal.")
