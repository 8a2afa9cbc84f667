"""run.py AGENT LANGUAGE=COMMAND...: starts workers, which connect once each to the server.

That is one of bench/storm, which runs this. For each language, AT_ONCE workers at the same time: by
themselves, with a file that all read and write, and with tsc-agent between them; then, for the
first language, IN_TURN one after the other. Says how many handshakes were full and resumed, what
CPU the server spent, and how long it took until the last one was up. Fails unless, with tsc-agent,
one full handshake serves all.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

AT_ONCE = int(os.environ.get("AT_ONCE", "64"))
IN_TURN = int(os.environ.get("IN_TURN", "1000"))
server = socket.socket(fileno=int(os.environ["CONTROL"]))
host, port = os.environ["NODES"].split(":")
goals = []


def server_cpu():
    """In milliseconds, so far."""
    server.sendall(b"cpu")
    return int.from_bytes(server.recv(8), sys.byteorder) / 1e6


def run(command, at_once, count):
    """Run so many workers in rounds of at_once; give what each said."""
    said = []
    for _ in range(count // at_once):
        workers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(at_once)
        ]
        said += [worker.communicate()[0].strip() for worker in workers]
    return said


def measure(how, command, at_once, count, goal=None):
    """Print a line; goal: how many full handshakes there have to be, all others resumed."""
    cpu, began = server_cpu(), time.monotonic()
    said = run([*command, host, port, os.environ["CAFILE"]], at_once, count)
    took, cpu = time.monotonic() - began, server_cpu() - cpu
    full, resumed = said.count("full"), said.count("resumed")
    print(
        f"  {how:24} {full:5} full {resumed:5} resumed {len(said) - full - resumed:3} failed"
        f" {cpu:8.0f} ms of the server's CPU {took * 1000:8.0f} ms in all",
        flush=True,
    )
    if goal is not None:
        goals.append((how, full == goal and resumed == len(said) - goal))


@contextlib.contextmanager
def agent(program, folder):
    """Run one, for those that are started meanwhile."""
    os.environ["TSC_AGENT"] = str(folder / "agent")
    arguments = [program, "--max-full-handshakes", "1"]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as running:
        while subprocess.run([program, "status"], capture_output=True, check=False).returncode != 0:
            if running.poll() is not None:
                sys.exit("workers: tsc-agent ended")
            time.sleep(0.05)
        try:
            yield
        finally:
            running.terminate()
            del os.environ["TSC_AGENT"]


def main(program, languages):
    tickets = (
        f"{os.environ['TICKETS_FULL']} after a full handshake, {os.environ['TICKETS_RESUMED']}"
    )
    kind = "once only" if os.environ["SESSIONS"] == "once" else "more than once"
    print(f"tickets: {tickets} after a resumed one, taken {kind}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        first = next(iter(languages))
        print(f" {AT_ONCE} at once")
        for language, command in languages.items():
            measure(f"{language}, by themselves", command, AT_ONCE, AT_ONCE)
            if language == first:
                os.environ["SESSION_FILE"] = str(folder / "session")
                measure(f"{language}, a file", command, AT_ONCE, AT_ONCE)
                # Now that there is one.
                measure(f"{language}, a file, again", command, AT_ONCE, AT_ONCE)
                del os.environ["SESSION_FILE"]
            with agent(program, folder):
                measure(f"{language}, tsc-agent", command, AT_ONCE, AT_ONCE, goal=1)
                if language == first:
                    measure(f"{language}, tsc-agent, again", command, AT_ONCE, AT_ONCE, goal=0)
        print(f" {IN_TURN} one after the other")
        command = languages[first]
        measure(f"{first}, by themselves", command, 1, IN_TURN)
        with agent(program, folder):
            measure(f"{first}, tsc-agent", command, 1, IN_TURN, goal=1)
    missed = [how for how, met in goals if not met]
    if missed:
        sys.exit(f"workers: more full handshakes than one, or failures: {'; '.join(missed)}")


if __name__ == "__main__":
    commands = (word.split("=") for word in sys.argv[2:])
    main(sys.argv[1], {name: [command] for name, command in commands})
