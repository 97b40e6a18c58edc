# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Maximum prefixes: a word at a share, an end beyond (RFC 4486), and how a session comes back."""
import harness
from interoperability.cases import case

FEW, MANY = 12, 40
# As the routers call it: BIRD and OpenBGPD, FRR and GoBGP, ExaBGP.
MAXIMUM = r"max\w*[ .-](number of )?prefix"


def networks(count):
    return {f"10.1.{number}.0/24": (64999,) for number in range(count)}


def overflow(lab, limits, dials="router"):
    lab.begin(dials=dials, feed=f"limits: {{ ipv4: 30, warn: 50%, {limits} }},")
    lab.supply(networks(FEW))
    lab.wait_established()
    lab.wait_equal()
    lab.supply(networks(20))
    lab.martlet.wait_line(r"many prefixes.*limit=30")
    lab.supply(networks(MANY))
    harness.eventually("the end", lambda: lab.notifications(ours=True))
    # AFI, SAFI and the limit (RFC 4486 section 4).
    if lab.notifications(ours=True)[0] != (6, 1, bytes([0, 1, 1, 0, 0, 0, 30])):
        raise AssertionError(f"Martlet said {lab.notifications(ours=True)}")
    harness.eventually("the router's word of it", lambda: lab.hears(MAXIMUM))


@case("maximum-stop", "maximum prefixes: warning, end, stays down")
def stops(lab):
    overflow(lab, "action: stop")
    session = lab.detail()["session"]
    if "30 are allowed: until 'clear feed'" not in (session["kept_down"] or ""):
        raise AssertionError(session)
    # The router tries again meanwhile.
    lab.router.hurry()
    harness.eventually("another try", lambda: len(lab.connections()) > 1)
    if lab.state() != "Idle":
        raise AssertionError(f"the session is {lab.state()}")
    lab.take_back(list(networks(MANY))[FEW:])
    lab.command("clear feed core")
    lab.wait_established()
    lab.wait_equal()


@case("maximum-restart", "maximum prefixes: begins again by itself")
def begins_again(lab):
    overflow(lab, "action: restart, restart-after: 3s", dials="both")
    lab.take_back(list(networks(MANY))[FEW:])
    lab.wait_established()
    lab.wait_equal()
