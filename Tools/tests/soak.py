# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A daemon under changing load for a while: what it holds must not grow with time.

    soak.py [--seconds N]

Routes flap, DNS and the console are asked, connections come and go, the configuration is reloaded.
In the second half the resident memory may grow by a tenth at most (and 8 MiB), threads and
descriptors by a few that come and go, and the last answer must be as right as the first.
"""
import argparse
import os
import random
import signal
import socket
import sys
import threading
import time

from harness import Bird, Machine, Martlet, bird_configuration, eventually
from test_live_session import CONFIGURATION

QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\3www\7example\3com\0\0\1\0\1"
SUBNET = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0b\0\x08\0\x07\0\x01\x18\0"


def held(pid):
    """Resident KiB, threads, descriptors."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    resident = int(fields["VmRSS"].split()[0])
    return resident, int(fields["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


def ask_dns(port, source, stop):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        while not stop.is_set():
            for _ in range(50):
                asker.sendto(QUERY + SUBNET + source.randbytes(3), ("127.0.0.1", port))
            try:
                for _ in range(50):
                    asker.recv(4096)
            except TimeoutError:
                pass


def ask_console(port, source, stop):
    while not stop.is_set():
        console = Machine(("127.0.0.1", port))
        for _ in range(200):
            address = ".".join(str(source.randrange(256)) for _ in range(4))
            console.ask(source.choice(["nearest", "rank", "explain", "show ip bgp"]) + f" {address}")
        console.ask("show routes limit 100")
        console.send("show routes")
        console.close()  # amid a long reply


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    source = random.Random(7)
    martlet = Martlet(CONFIGURATION % "connect: passive")
    stop = threading.Event()
    helpers = [
        threading.Thread(target=ask_dns, args=(martlet.port("dns"), random.Random(1), stop)),
        threading.Thread(target=ask_console, args=(martlet.port("machine"), random.Random(2), stop)),
    ]
    birds = []
    try:
        def flapping():
            return {
                f"{1 + n // 60000}.{n // 256 % 256}.{n % 256}.0/24":
                    [64999] * source.randrange(4) for n in source.sample(range(60000), 5000)}

        def configured(place, routes):
            address, number = (("127.0.0.2", 65001), ("127.0.0.3", 65002))[place]
            return bird_configuration(address, martlet.port("bgp"), number, routes=routes)

        birds = [Bird(configured(place, flapping())) for place in (0, 1)]
        for bird in birds:
            bird.wait_established("martlet")
        for helper in helpers:
            helper.start()
        began, half = time.monotonic(), None
        while time.monotonic() - began < options.seconds:
            place = source.randrange(2)
            if source.randrange(10) == 0:
                birds[place].kill()
                birds[place].stop()
                birds[place] = Bird(configured(place, flapping()))
            else:
                birds[place].configure(configured(place, flapping()))
            if source.randrange(5) == 0:
                martlet.signal(signal.SIGHUP)
            time.sleep(1)
            if half is None and time.monotonic() - began > options.seconds / 2:
                half = held(martlet.child.pid)
        stop.set()
        for helper in helpers:
            helper.join()
        end = held(martlet.child.pid)
        half = half or end
        print(f"at half time {half}, at the end {end}: KiB resident, threads, descriptors")
        for nearest, addresses in ((0, ["192.0.2.10"]), (1, ["192.0.2.20"])):
            for place in (0, 1):
                routes = {"198.51.100.0/24": []} if place == nearest else {}
                birds[place].configure(configured(place, routes))
            eventually(
                f"the answer {addresses}",
                lambda: martlet.dig(
                    "www.example.com", "A", "198.51.100.0/24").addresses == addresses)
        if end[0] > half[0] * 1.1 + 8192 or end[1] > half[1] + 4 or end[2] > half[2] + 4:
            sys.exit("what it holds has grown")
        martlet.signal(signal.SIGTERM)
        if martlet.wait(15) != 0:
            sys.exit("it did not end cleanly")
    finally:
        stop.set()
        for helper in helpers:
            if helper.is_alive():
                helper.join()
        for bird in birds:
            bird.stop()
        martlet.stop()
    print("the soak found nothing")


main()
