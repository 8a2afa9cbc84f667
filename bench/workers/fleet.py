"""fleet.py AGENT WORKER: hosts, each with an agent and workers, that are all restarted at once.

The server is one of bench/storm, which runs this; it takes each ticket once. HOSTS agents with
WORKERS workers each start together, connect, and end together; then all of it starts again. First
there is no agent, then each is by itself, then they share through a Redis. Says how many handshakes
were full and resumed, what CPU the server spent, and how long it took until the last worker was up.
Fails unless, after a restart with sharing, 95 % resumed within ten seconds, and the server refused
no ticket, as it would one that is offered twice.
"""

import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time

from run import host, port, server_cpu

HOSTS = int(os.environ.get("HOSTS", "8"))
WORKERS = int(os.environ.get("WORKERS", "16"))


def status(agent, socket):
    """What an agent says of itself; nothing if there is none."""
    said = subprocess.run(
        [agent, "status", "--socket", socket], capture_output=True, text=True, check=False
    )
    return said.stdout


def number(text, name):
    """Add up one number of it."""
    lines = (line for line in text.splitlines() if line.startswith(name))
    return sum(int(line.split()[-1]) for line in lines)


def start(agent, sockets, options):
    """Start an agent for each host, and wait until all are there."""
    agents = [
        subprocess.Popen([agent, "--socket", socket, *options], stderr=subprocess.DEVNULL)
        for socket in sockets
    ]
    wanted = "tsc_agent_valkey_up 1" if options else "tsc_agent_connections"
    for running, socket in zip(agents, sockets):
        while wanted not in status(agent, socket):
            if running.poll() is not None:
                sys.exit("fleet: tsc-agent ended")
            time.sleep(0.05)
    return agents


def connect(how, worker, sockets):
    """Have the workers of all hosts connect at once; give the share that resumed, and the time."""
    cpu, began = server_cpu(), time.monotonic()
    workers = [
        subprocess.Popen(
            [worker, host, port, os.environ["CAFILE"]],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TSC_AGENT": socket},
        )
        for _ in range(WORKERS)
        for socket in sockets
    ]
    said = [worker.communicate()[0].strip() for worker in workers]
    took, cpu = time.monotonic() - began, server_cpu() - cpu
    full, resumed = said.count("full"), said.count("resumed")
    print(
        f"  {how:24} {full:5} full {resumed:5} resumed {len(said) - full - resumed:3} failed"
        f" {cpu:8.0f} ms of the server's CPU {took * 1000:8.0f} ms in all",
        flush=True,
    )
    return resumed / len(said), took


def restart(how, agent, worker, sockets, options):
    """Start a fleet, end it, and start it again."""
    share, took, refused = 0, 0, 0
    for when in ("started", "restarted"):
        agents = start(agent, sockets, options)
        share, took = connect(f"{how}, {when}", worker, sockets)
        refused += sum(number(status(agent, socket), "tsc_agent_refused") for socket in sockets)
        for running in agents:
            running.terminate()
        for running in agents:
            running.wait()
    return share, took, refused


def main(agent, worker):
    """Measure without and with a Redis."""
    print(f"{HOSTS} hosts with {WORKERS} workers each", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sockets = [str(folder / f"agent-{number}") for number in range(HOSTS)]
        connect("without agents", worker, [""] * HOSTS)
        restart("each host alone", agent, worker, sockets, [])
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
        engine = folder / "redis"
        redis = ["redis-server", "--port", "0", "--save", "", "--dir", name, "--unixsocket", engine]
        with subprocess.Popen(redis, stdout=subprocess.DEVNULL) as running:
            options = ["--valkey", f"unix://{engine}", "--valkey-key", str(key)]
            share, took, refused = restart("through Redis", agent, worker, sockets, options)
            running.terminate()
    if share < 0.95 or took > 10 or refused:
        sys.exit(f"fleet: {share:.0%} resumed in {took:.1f} s, and {refused} tickets were refused")
    print(f"fleet: {share:.1%} resumed after a restart of all; no ticket was offered twice")


main(*sys.argv[1:])
