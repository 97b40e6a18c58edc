# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Administrative shutdowns with a sentence (RFC 9003), shown at the other end."""
import harness
from interoperability.cases import case, routes
from interoperability.routers import Cannot

SENTENCE = "moving to the new cabinet"


@case("shutdown", "shutdown by Martlet, its sentence shown there")
def martlet_ends(lab):
    lab.begin(dials="both")
    lab.supply(routes(20))
    lab.wait_established()
    lab.wait_equal()
    lab.command(f"shutdown feed core {SENTENCE}")
    harness.eventually("the end", lambda: lab.notifications(ours=True))
    wanted = 6, 2, bytes([len(SENTENCE)]) + SENTENCE.encode()
    if lab.notifications(ours=True)[0] != wanted:
        raise AssertionError(f"Martlet said {lab.notifications(ours=True)}")
    harness.eventually("no routes", lambda: lab.counts() == 0)
    shown = harness.eventually(
        "the router to show the sentence",
        lambda: lab.hears(SENTENCE) or lab.hears(lab.router.SENTENCE_TROUBLE))
    if shown.group() != SENTENCE:
        raise Cannot(f"told the sentence, it fails by itself: {shown.group()}")
    lab.command("no shutdown feed core")
    lab.wait_established()
    lab.wait_equal()


@case("shut-down", "shutdown by it, its sentence shown by Martlet")
def it_ends(lab):
    lab.begin(dials="both")
    lab.supply(routes(20))
    lab.wait_established()
    lab.wait_equal()
    lab.router.shut_down(SENTENCE)
    harness.eventually("its NOTIFICATION", lab.notifications)
    code, subcode, data = lab.notifications()[0]
    if (code, subcode) != (6, 2):
        raise Cannot(f"it ends with {code}/{subcode}, no Administrative Shutdown")
    error = harness.eventually(
        "Martlet's word of the end", lambda: lab.detail()["session"]["last_error"])
    if "Administrative Shutdown" not in error:
        raise AssertionError(f"Martlet says {error!r}")
    said = data[1:1 + data[0]].decode() if data else ""
    if not said:
        raise Cannot("its Administrative Shutdown comes without a sentence")
    if said != SENTENCE:
        lab.notes.append(f"its sentence is always: {said}")
    changes = lab.detail()["change"]
    if f'"{said}"' not in error or not any(f'"{said}"' in (one["reason"] or "") for one in changes):
        raise AssertionError(f"Martlet says {error!r}, and {changes}")
    lab.router.return_from_shutdown()
    lab.wait_established()
    lab.wait_equal()
