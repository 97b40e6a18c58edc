# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Route refresh (RFC 2918, RFC 7313), asked for by either end."""
import harness
from interoperability import wire
from interoperability.cases import case, routes
from interoperability.routers import Cannot

COUNT = 60


@case("refresh", "route refresh on Martlet's request")
def martlet_asks(lab):
    lab.begin()
    lab.supply(routes(COUNT))
    lab.wait_established()
    lab.wait_equal()
    before = lab.detail()["counters"]["announced"]
    lab.command("clear feed core soft")
    again = harness.eventually(
        "all routes again", lambda: lab.hears(lab.router.REFRESH_TROUBLE)
        or lab.detail()["counters"]["announced"] >= before + COUNT)
    asked = sum(one.counts["ROUTE-REFRESH"] for one in lab.account())
    if asked != 2:
        raise AssertionError(f"Martlet sent {asked} ROUTE-REFRESH, not one for each family")
    if again is not True:
        raise Cannot(f"asked for its routes again, it fails by itself: {again.group()}")
    lab.wait_equal()
    if lab.detail()["counters"]["sessions"] != 1:
        raise AssertionError("the session was lost")
    borders = lab.received("ROUTE-REFRESH")
    if borders == 4:
        lab.notes.append("with the borders of RFC 7313")
    elif borders:
        raise AssertionError(f"{borders} borders, not four or none")


@case("asked", "asked for its routes, Martlet stays silent")
def it_asks(lab):
    """A router may ask Martlet for routes: there are none, and the session goes on."""
    lab.begin()
    lab.supply(routes(COUNT))
    lab.wait_established()
    lab.wait_equal()
    lab.router.ask_for_routes()
    try:
        harness.eventually("its ROUTE-REFRESH", lambda: lab.refreshes() > 0, 6)
    except AssertionError:
        raise Cannot("told to ask, it sends no ROUTE-REFRESH") from None
    harness.eventually(
        "Martlet to count it", lambda: lab.received("ROUTE-REFRESH") == lab.refreshes())
    lab.supply(routes(20, first=COUNT))
    lab.wait_equal()
    if lab.detail()["counters"]["sessions"] != 1:
        raise AssertionError("the session was lost")
    account = lab.account()[-1]
    if account.counts["UPDATE"] > len(lab.agreed()):
        raise AssertionError(f"{account.counts['UPDATE']} UPDATEs")
    if wire.NOTIFICATION in [kind for _, kind, _ in account.messages]:
        raise AssertionError("Martlet sent a NOTIFICATION")
