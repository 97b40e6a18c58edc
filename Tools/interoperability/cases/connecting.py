# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Who dials whom, over IPv4 and IPv6; each session brings both families, and follows changes."""
from interoperability.cases import case, routes


def live(lab, dials, transport):
    lab.begin(dials=dials, transport=transport)
    lab.supply(routes(60))
    lab.wait_established()
    lab.wait_equal()
    if lab.agreed() != {4, 6}:
        raise AssertionError(f"families agreed on: {lab.agreed()}")
    if dials != "both":
        # The end with the port that is listened on is the one that was dialled.
        local, remote = (int(lab.detail()["connection"][end].rsplit(":", 1)[1])
                         for end in ("local", "remote"))
        listening = (local == lab.setup.martlet_port, remote == lab.setup.port)
        if listening != (dials == "router", dials == "martlet"):
            raise AssertionError(f"who dialled? {lab.detail()['connection']}")
    # Routes come, go and change.
    lab.take_back(list(routes(20)))
    lab.supply(routes(30, first=20, path=(64999, 64998)))
    lab.supply(routes(20, first=100))
    lab.wait_equal()
    sessions = lab.detail()["counters"]["sessions"]
    if sessions != 1:
        raise AssertionError(f"{sessions} sessions, not one")


@case("dials", "it dials, IPv4")
def it_dials(lab):
    live(lab, "router", 4)


@case("dialled", "Martlet dials, IPv4")
def it_is_dialled(lab):
    live(lab, "martlet", 4)


@case("dials-ipv6", "it dials, IPv6")
def it_dials_by_ipv6(lab):
    live(lab, "router", 6)


@case("dialled-ipv6", "Martlet dials, IPv6")
def it_is_dialled_by_ipv6(lab):
    live(lab, "martlet", 6)


@case("both-dial", "both dial at once")
def both_dial(lab):
    """One connection stays (RFC 4271 section 6.8), whoever's it is, also again and again."""
    lab.begin(dials="both")
    lab.supply(routes(60))
    lab.wait_established()
    lab.wait_equal()
    for _ in range(3):
        before = lab.detail()["counters"]["sessions"]
        lab.command("clear feed core")
        lab.wait_established()
        lab.wait_equal()
        if lab.detail()["counters"]["sessions"] <= before:
            raise AssertionError("the session was not begun anew")
