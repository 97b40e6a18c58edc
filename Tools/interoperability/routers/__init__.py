# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The routers that Martlet is tried with, all seen alike."""
import dataclasses
import importlib

import harness

NAMES = ["bird", "frr", "gobgp", "openbgpd", "exabgp"]


NOTHING = r"(?!)"  # matches nothing


class Defaults:
    """What holds for most routers."""

    # What it says where its own fault keeps a case from passing: regular expressions.
    REFRESH_TROUBLE = NOTHING
    SENTENCE_TROUBLE = NOTHING

    def wait_ready(self, what, ask):
        """Until it answers; where it ends instead, its last words are the error."""
        harness.eventually(what, lambda: self.child.poll() is not None or ask())
        if self.child.poll() is not None:
            self.stop()
            raise AssertionError(f"{self.title} ended: {self.output[-2000:]}")

    def return_from_shutdown(self):
        self.release()

    def hangs(self):
        """Whether it has stopped answering anybody: that is no fault of Martlet's."""
        return False

    def hurry(self):
        """Begins again at once, where it would wait long after the end of a session."""


class Cannot(Exception):
    """The router has not what a case is about; the sentence says how that showed."""


@dataclasses.dataclass
class Setup:
    """How a router is to be, for its one session with Martlet."""

    folder: str
    own4: str                   # its IPv4 address
    address: str                # its end of the session, IPv4 or IPv6
    port: int                   # that it listens on
    martlet: str                # the other end
    martlet_port: int
    dials: bool = True          # else it waits
    number: int = 65001
    martlet_number: int = 65000
    hold_time: int = 9
    password: str | None = None
    four_octets: bool = True
    add_paths: bool = False
    restart_time: int = 0       # seconds; 0: no graceful restart
    held: bool = False          # the session is shut down until `release`
    quiet: bool = False         # it logs little, for large tables
    sources: tuple = ()         # (address, AS) of those that bring it routes


def router(name):
    """The class that runs it."""
    module = importlib.import_module(f"interoperability.routers.{name}")
    return module.Router
