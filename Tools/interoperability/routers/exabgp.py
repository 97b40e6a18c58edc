# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""ExaBGP: no router, but a speaker that announces what it is told to over a pipe."""
import contextlib
import os
import re
import subprocess
import tempfile

import harness
from interoperability.routers import Defaults

CONFIGURATION = """
process orders {{
  run {helper};
  encoder text;
}}
neighbor {martlet} {{
  router-id 192.0.2.2;
  local-address {address};
  local-as {number};
  peer-as {martlet_number};
  hold-time {hold_time};
  {options}
  family {{ ipv4 unicast; ipv6 unicast; }}
  capability {{
    route-refresh enable;
    asn4 {four_octets};
    {capabilities}
  }}
  api {{ processes [ orders ]; }}
  static {{
{routes}
  }}
}}
"""
# What ExaBGP says to it is kept, what is written to the pipe ExaBGP gets.
HELPER = """#!/bin/sh
exec 3<&0
cat <&3 >>'{folder}/answers' &
exec cat '{folder}/orders'
"""
NEXT_HOPS = {False: "192.0.2.7", True: "2001:db8::7"}


class Router(Defaults, harness.Process):
    title = "ExaBGP"
    relays = False  # it passes nothing on
    REFRESH_TROUBLE = r"'RouteRefresh' object is not iterable"
    SENTENCE_TROUBLE = r'can not decode update message of type "3"'

    @staticmethod
    def version():
        said = harness.run(harness.peer("exabgp"), "--version")
        return re.search(r"ExaBGP : ([\d.]+)", said.stdout).group(1)

    def __init__(self, setup, routes=()):
        """`routes` is what it has from the start: {prefix: path}."""
        self.setup = setup
        self.orders = 0
        folder = tempfile.mkdtemp(dir=setup.folder)
        self.answers = os.path.join(folder, "answers")
        pipe = os.path.join(folder, "orders")
        os.mkfifo(pipe)
        # Open for reading too, or it would wait for ExaBGP, which reads it later.
        self.pipe = os.open(pipe, os.O_RDWR)
        self.helper = os.path.join(folder, "helper")
        with open(self.helper, "w") as file:
            file.write(HELPER.format(folder=folder))
        os.chmod(self.helper, 0o755)
        path = os.path.join(folder, "exabgp.conf")
        with open(path, "w") as file:
            file.write(self.configuration(routes))
        environment = {
            **os.environ, "exabgp_daemon_user": "root", "exabgp_daemon_daemonize": "false",
            "exabgp_api_ack": "true", "exabgp_api_cli": "false",
            "exabgp_log_level": "ERR" if setup.quiet else "DEBUG",
            "exabgp_log_all": "false" if setup.quiet else "true",
            "exabgp_log_destination": "stdout", "exabgp_tcp_delay": "0"}
        if not setup.dials:
            environment |= {
                "exabgp_tcp_bind": setup.address, "exabgp_tcp_port": str(setup.port)}
        super().__init__([harness.peer("exabgp"), path], env=environment)

    def configuration(self, routes):
        setup = self.setup
        options = [f"connect {setup.martlet_port};"] if setup.dials else ["passive;"]
        if setup.password:
            options.append(f'md5-password "{setup.password}";')
        capabilities = []
        if setup.restart_time:
            capabilities.append(f"graceful-restart {setup.restart_time};")
        if setup.add_paths:
            capabilities.append("add-path send;")
        return CONFIGURATION.format(
            helper=self.helper, martlet=setup.martlet, address=setup.address,
            number=setup.number, martlet_number=setup.martlet_number, hold_time=setup.hold_time,
            options=" ".join(options), capabilities=" ".join(capabilities),
            four_octets="enable" if setup.four_octets else "disable",
            routes="\n".join(f"    {self.route(*one)};" for one in dict(routes).items()))

    @staticmethod
    def route(prefix, path, path_id=None):
        text = (f"route {prefix} next-hop {NEXT_HOPS[':' in prefix]} origin igp "
                f"as-path [ {' '.join(map(str, path))} ]")
        return text if path_id is None else f"{text} path-information 0.0.0.{path_id}"

    def order(self, *lines):
        self.orders += len(lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(self.pipe, data):]

    def answered(self, seconds=harness.PATIENCE):
        """All that it has answered, once every order has its answer."""

        def read():
            if not os.path.exists(self.answers):
                return None
            with open(self.answers) as file:
                text = file.read()
            said = re.findall(r"^(?:done|error)$", text, re.M)
            return (text, said) if len(said) >= self.orders else None

        text, said = harness.eventually(
            f"ExaBGP to answer {self.orders} orders", read, seconds)
        if "error" in said:
            raise AssertionError("ExaBGP refuses an order")
        return text

    def announce(self, routes, path_id=None):
        """`routes`: {prefix: path}, the path as Martlet is to get it."""
        if path_id is not None:
            self.order(*(f"announce {self.route(*one, path_id)}" for one in routes.items()))
            return
        by_path = {}
        for prefix, path in routes.items():
            by_path.setdefault((path, ":" in prefix), []).append(prefix)
        for (path, is6), prefixes in by_path.items():
            for at in range(0, len(prefixes), 100):
                self.order(
                    f"announce attributes next-hop {NEXT_HOPS[is6]} origin igp as-path "
                    f"[ {' '.join(map(str, path))} ] nlri {' '.join(prefixes[at:at + 100])}")

    def withdraw(self, routes, path_id=None):
        if path_id is not None:
            self.order(*(f"withdraw {self.route(*one, path_id)}" for one in routes.items()))
            return
        for is6 in (False, True):
            prefixes = [prefix for prefix in routes if (":" in prefix) == is6]
            for at in range(0, len(prefixes), 100):
                self.order(
                    f"withdraw attributes next-hop {NEXT_HOPS[is6]} "
                    f"nlri {' '.join(prefixes[at:at + 100])}")

    def exported(self):
        before = len(self.answered())
        self.order("show adj-rib out extensive")
        found = {}
        for line in self.answered()[before:].splitlines():
            match = re.search(r"([0-9a-f.:]+/\d+) .*?as-path \[([^]]*)\]", line)
            if match:
                path = tuple(map(int, match.group(2).split()))
                found.setdefault(match.group(1), set()).add(path)
        return found

    def neighbour(self, order):
        self.order(f"neighbor {self.setup.martlet} {order}")

    def release(self):
        """It is never held: its routes are in its configuration."""

    def reset(self):
        self.neighbour("teardown 4")

    def ask_for_routes(self):
        for family in ("ipv4", "ipv6"):
            self.neighbour(f"announce route-refresh {family} unicast")

    def shut_down(self, sentence):
        """There is no order with a sentence."""
        self.neighbour("teardown 2")

    def return_from_shutdown(self):
        """It comes back by itself."""

    def heard(self):
        return self.output

    def kill(self):
        super().kill()
        self.close_pipe()

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(15)
        # Its helper ends with the pipe, and has ExaBGP's output open until then.
        self.close_pipe()
        super().stop()

    def close_pipe(self):
        if self.pipe is not None:
            os.close(self.pipe)
        self.pipe = None
