# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""TCP MD5 (RFC 2385): with the right key all is as without, with a wrong one nothing is."""
import socket
import time

from interoperability.cases import case, routes
from interoperability.routers import Cannot

KEY = "correct-horse-battery"
SOME_TRIES = 4  # seconds


def signed(lab, dials, transport=4, key=KEY):
    lab.begin(dials=dials, transport=transport, bgp="password-file: core.key",
              files={"core.key": f"{KEY}\n"}, password=key)
    lab.supply(routes(20))


def works(lab, dials):
    signed(lab, dials)
    try:
        lab.wait_established(15)
    except AssertionError:
        if dials == "martlet" and answers_unsigned(lab):
            raise Cannot("where it listens it takes connections without a signature") from None
        raise
    lab.wait_equal()
    found = lab.detail()["connection"]["signed"]
    if found != "TCP MD5":
        raise AssertionError(f"the connection is signed: {found}")


def answers_unsigned(lab):
    """Whether the router takes a connection from Martlet's address that isn't signed."""
    with socket.socket() as probe:
        probe.bind((lab.setup.martlet, 0))
        probe.settimeout(3)
        try:
            probe.connect((lab.setup.address, lab.setup.port))
        except OSError:
            return False
        return True


@case("md5-dials", "TCP MD5, it dials")
def it_dials(lab):
    works(lab, "router")


@case("md5-dialled", "TCP MD5, Martlet dials")
def it_is_dialled(lab):
    works(lab, "martlet")


def never_opens(lab, dials, key):
    """Long enough for several tries on either side: not one byte leaves Martlet."""
    signed(lab, dials, key=key)
    time.sleep(SOME_TRIES)
    sent = sum(len(half.stream()[0]) for half, _ in lab.connections())
    if sent:
        raise AssertionError(f"Martlet sent {sent} bytes")
    opens = next(row for row in lab.detail()["messages"] if row["type"] == "OPEN")
    if opens["received"] or opens["sent"] or lab.state() not in ("Connect", "Active"):
        raise AssertionError(f"{opens}, {lab.state()}")


@case("md5-wrong-dials", "TCP MD5, it dials with a wrong key")
def it_dials_wrongly(lab):
    never_opens(lab, "router", "incorrect-horse")


@case("md5-wrong-dialled", "TCP MD5, Martlet dials one with a wrong key")
def it_is_dialled_wrongly(lab):
    never_opens(lab, "martlet", "incorrect-horse")


@case("md5-none", "TCP MD5, it doesn't sign")
def it_does_not_sign(lab):
    never_opens(lab, "router", None)
