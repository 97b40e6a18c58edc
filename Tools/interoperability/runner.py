# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""Runs cases: a process for each router, in a network of its own; several cases there at a time."""
import concurrent.futures
import dataclasses
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

import harness
from interoperability import cases, data, routers, wire
from interoperability.capture import Recorder
from interoperability.lab import Lab

AT_ONCE = 4
TRIES = 3
LONGEST = 900  # seconds of all cases of a router together
PASS, FAIL, CANNOT = "pass", "fail", "-"


@dataclasses.dataclass
class Result:
    router: str
    case: str
    status: str
    words: str = ""             # why it failed, or can't be
    notes: list = dataclasses.field(default_factory=list)
    seconds: float = 0
    connections: int = 0        # TCP connections in which Martlet sent something
    sent: dict = dataclasses.field(default_factory=dict)  # messages by type
    intervals: int = 0          # between two messages of an established session
    late: float | None = None   # seconds of the longest, beyond a third of the hold time
    logs: str | None = None     # where they are


# In the process of one router

def attempt(one, router, number, recorder, keep):
    """Runs a case; and again, with other addresses, where the router hung by itself."""
    result, hung = attempt_once(one, router, number, recorder, keep)
    for again in range(1, TRIES):
        if not hung:
            break
        result, hung = attempt_once(one, router, number + again * 50, recorder, keep)
        result.notes.append("it hung, all of it, and the case was begun again")
    return result


def attempt_once(one, router, number, recorder, keep):
    """Its result, and whether the router hung."""
    began = time.monotonic()
    lab = Lab(router, number, recorder)
    status, words, hung = PASS, "", False
    try:
        one.run(lab)
    except routers.Cannot as error:
        status, words = CANNOT, str(error)
    except Exception as error:
        status, words = FAIL, failure(error)
        hung = lab.router is not None and lab.router.hangs()
    accounts = []
    try:
        lab.end()
        accounts = lab.account()
    except Exception as error:
        # What went out counts in any case, also where there is nothing to try, or a router hung.
        status, words, hung = FAIL, "; ".join(filter(None, [words, failure(error)])), False
    result = Result(
        router.name, one.name, status, words, lab.notes, round(time.monotonic() - began, 1))
    for account in accounts:
        result.connections += account.size > 0
        for kind, count in account.counts.items():
            result.sent[kind] = result.sent.get(kind, 0) + count
        result.intervals += account.intervals
        if account.late is not None:
            result.late = round(max(account.late, result.late or account.late), 3)
    if status == FAIL:
        result.words = "; ".join([words, *lab.clues])
    if keep or status == FAIL:
        result.logs = keep_logs(lab, keep, f"{router.name}-{one.name}", result)
    lab.remove()
    return result, hung


def failure(error):
    if isinstance(error, (AssertionError, wire.Said)):
        return str(error)
    return "".join(traceback.format_exception(error)).strip()


def keep_logs(lab, keep, name, result):
    folder = os.path.join(keep or tempfile.gettempdir(), f"interop-{name}")
    os.makedirs(folder, exist_ok=True)
    for index, (program, text) in enumerate(lab.logs):
        with open(os.path.join(folder, f"{index}-{program}.log"), "w") as file:
            file.write(text)
    for index, (half, _) in enumerate(lab.connections()):
        with open(os.path.join(folder, f"sent-{index}-to-{half.destination[0]}.bgp"), "wb") as file:
            file.write(half.stream()[0])
    with open(os.path.join(folder, "result.json"), "w") as file:
        json.dump(dataclasses.asdict(result), file, indent=1)
    return folder


def run_inside(name, wanted, keep):
    """Runs cases with one router, here and now; says what came of each in a line of JSON."""
    harness.run("ip", "link", "set", "lo", "up")
    router = routers.router(name)
    router.name = name
    known = cases.load()
    recorder = Recorder()
    lock = threading.Lock()

    def say(**fields):
        with lock:
            print(json.dumps(fields), flush=True)

    try:
        say(router=name, version=router.version())
    except (unittest.SkipTest, AssertionError) as error:
        status = CANNOT if isinstance(error, unittest.SkipTest) else FAIL
        for case in wanted:
            say(result=dataclasses.asdict(Result(name, case, status, str(error))))
        return
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        # What takes longest comes first.
        order = sorted(wanted, key=lambda case: -known[case].weight)
        running = [
            pool.submit(attempt, known[case], router, 10 + index, recorder, keep)
            for index, case in enumerate(order)]
        for one in concurrent.futures.as_completed(running):
            say(result=dataclasses.asdict(one.result()))
    recorder.close()


# In the process that was called

def network():
    """The words before a command that give it a network of its own; None where that can't be.

    And process numbers of its own, so that all that it started ends with it.
    """
    own = ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"]
    for words in ([*own, "--"], [*own, "--user", "--map-root-user", "--"]):
        try:
            if subprocess.run([*words, "true"], capture_output=True, timeout=20).returncode == 0:
                return words
        except OSError:
            pass
    return None


def run_all(names, wanted, keep, progress):
    """(versions by router, results) of all; `progress` gets each result as it comes."""
    own = network()
    if own is None:
        raise PermissionError("a network namespace is needed: be root, or allow user namespaces")
    table = data.table() if "table" in wanted else None
    versions, results, broken = {}, [], {}
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="martlet-interop-") as folder:
        environment = dict(os.environ)
        environment.pop("MARTLET_INTEROP_TABLE", None)
        if table:
            path = environment["MARTLET_INTEROP_TABLE"] = os.path.join(folder, "table")
            with open(path, "wb") as file:
                pickle.dump(table, file)

        def follow(name):
            command = [*own, sys.executable, "-B", os.path.join(harness.ROOT, "Tools", "interop"),
                       "--inside", "--peer", name, "--programs", harness.PROGRAMS]
            command += [word for case in wanted for word in ("--case", case)]
            command += ["--keep", keep] if keep else []
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
            errors = []
            reader = threading.Thread(target=lambda: errors.append(child.stderr.read()))
            reader.start()
            clock = threading.Timer(LONGEST, child.kill)
            clock.start()
            for line in child.stdout:
                said = json.loads(line)
                with lock:
                    if "result" in said:
                        results.append(Result(**said["result"]))
                        progress(results[-1])
                    else:
                        versions[name] = said["version"]
            status = child.wait()
            clock.cancel()
            reader.join()
            if status:
                broken[name] = f"its run ended with status {status}: {''.join(errors)[-2000:]}"

        threads = [threading.Thread(target=follow, args=[name]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name in names:
        done = {result.case for result in results if result.router == name}
        for case in wanted:
            if case not in done:
                results.append(Result(name, case, FAIL, broken.get(name, "it never ended")))
    return versions, results
