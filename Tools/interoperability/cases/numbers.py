# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""4-octet AS numbers (RFC 6793), and routers without them, which hide them in AS4_PATH."""
from interoperability.cases import case, routes
from interoperability.routers import Cannot
from interoperability import wire

BIG = (4200000100, 70000, 64999, 4294967294)


@case("as4", "4-octet AS numbers")
def four_octets(lab):
    lab.begin(number=4200000001)
    lab.supply(routes(20, path=BIG))
    lab.supply(routes(10, first=20, path=(3,)))
    lab.wait_established()
    lab.wait_equal()


@case("as2", "2-octet AS numbers, AS4_PATH")
def two_octets(lab):
    lab.begin(four_octets=False)
    lab.supply(routes(20, path=BIG))
    lab.supply(routes(10, first=20, path=(3,)))
    lab.wait_established()
    theirs = [one.theirs for one in lab.account() if one.theirs]
    if any(wire.FOUR_OCTETS in one.capabilities for one in theirs):
        raise Cannot("its OPEN has the 4-octet AS capability: there is no switch for it")
    families = lab.agreed()
    if families == {4}:
        lab.notes.append("without the capability it has no others: IPv4 alone")
    # What it says that it sends is without the hidden numbers.
    lab.wait_equal(families, asks_router=False)
