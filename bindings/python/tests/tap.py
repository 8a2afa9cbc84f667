"""The tap on the wire between a driver and its server: a process, tests/tap/tap.c."""

import pathlib
import subprocess

PROGRAM = pathlib.Path(__file__).parents[3] / "build" / "test" / "tap"


class Tap:
    """Stands before a port of 127.0.0.1, until the block ends."""

    def __init__(self, to):
        self._process = subprocess.Popen(
            [str(PROGRAM), str(to)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def resumed(self):
        """Of each connection that the server has answered, in their order: was it resumed?"""
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        answers = []
        for line in iter(self._process.stdout.readline, "ok\n"):
            assert line, "the tap has ended"
            answers.append(dict(word.split("=") for word in line.split())["answer"])
        return [answer == "resumed" for answer in answers if answer != "-"]
