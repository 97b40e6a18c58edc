# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand real prefixes with real paths, which come, and all leave."""
import os
import pickle

from interoperability.cases import case
from interoperability.routers import Cannot

PATIENCE = 150


@case("table", "100,000 real prefixes", weight=2)
def a_table(lab):
    path = os.environ.get("MARTLET_INTEROP_TABLE")
    if not path:
        raise Cannot("there is no routing data: MARTLET_DATA names its folder")
    with open(path, "rb") as file:
        table = pickle.load(file)
    lab.begin(quiet=True)
    lab.wait_established()
    lab.supply(table)
    lab.wait_equal(seconds=PATIENCE, asks_router=False)
    lab.take_back(table)
    lab.wait_equal(seconds=PATIENCE, asks_router=False)
    if lab.detail()["counters"]["sessions"] != 1:
        raise AssertionError("the session was lost")
