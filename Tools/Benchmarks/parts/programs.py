# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured: built, started, asked over their standard input."""
import json
import os
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))


def say(text):
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


class Missing(Exception):
    """Something that a part needs is not here; the message says what to install or name."""


class Program:
    """A program that holds a table and answers commands, a line of JSON each."""

    def __init__(self, name, command):
        self.name = name
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.answer()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.child.wait()}")
        return json.loads(line)

    def ask(self, question):
        self.child.stdin.write(question + "\n")
        self.child.stdin.flush()
        return self.answer()

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Programs:
    """Builds what is needed, once."""

    def __init__(self, options):
        self.options = options
        self.bench_program = None
        self.daemon_built = False

    def bench(self):
        """martlet-bench; a stripped copy, for valgrind stumbles over the symbols of Swift."""
        if self.bench_program is None:
            say("building martlet-bench")
            subprocess.check_call(
                ["swift", "build", "-c", "release", "--package-path", HERE], stdout=sys.stderr)
            built = os.path.join(HERE, ".build", "release", "martlet-bench")
            self.bench_program = os.path.join(self.options.work, "martlet-bench")
            subprocess.check_call(["strip", "-o", self.bench_program, built])
        return self.bench_program

    def daemon(self):
        """martletd, built in the tree."""
        if not self.daemon_built:
            say("building martletd")
            subprocess.check_call(
                ["swift", "build", "-c", "release", "--package-path", ROOT, "--product", "martletd"],
                stdout=sys.stderr)
            self.daemon_built = True
        return os.path.join(ROOT, ".build", "release", "martletd")

    def compiled(self, name, packages, libraries):
        """A C program of Peers."""
        try:
            flags = subprocess.run(
                ["pkg-config", "--cflags", *packages], check=True, capture_output=True,
                text=True).stdout
        except (OSError, subprocess.CalledProcessError):
            raise Missing(f"{name} needs pkg-config's {' and '.join(packages)}") from None
        target = os.path.join(self.options.work, name)
        subprocess.check_call(
            ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", target,
             os.path.join(HERE, "Peers", name + ".c"), *shlex.split(flags), *libraries])
        return target

    def prepared(self, folder, keys):
        """The files that all programs read, written to a folder."""
        os.makedirs(folder, exist_ok=True)
        subprocess.check_call(
            [self.bench(), "prepare", "--data", self.options.data, "--work", folder,
             "--every", str(self.options.every), "--keys", str(keys)], stdout=sys.stderr)
        return folder

    def table(self, name, folder):
        """The command of martlet-bench that serves a table."""
        return [self.bench(), "serve", name, "--data", self.options.data, "--work", folder,
                "--dump", self.dump(), "--every", str(self.options.every)]

    def dump(self):
        """The dump of eight simulated peers: 8,000,512 routes; made where there is none."""
        if self.options.dump:
            return self.options.dump
        path = os.path.join(self.options.work, "sim8.mrt")
        if not os.path.exists(path):
            source = self.tool("simrib.c")
            program = os.path.join(self.options.work, "simrib")
            say("making the simulated table (about three minutes)")
            subprocess.check_call(["cc", "-O2", "-o", program, source])
            subprocess.check_call(
                [program, self.options.data, path + ".part", "1221,2497,3741,7018,1299,6939,4826,20764"])
            os.rename(path + ".part", path)
        return path

    def routes(self):
        """The route map that the dump of eight peers implies: 1,000,844 prefixes; made where there is none."""
        if self.options.routes:
            return self.options.routes
        path = os.path.join(self.options.work, "sim.routes")
        if not os.path.exists(path):
            program = self.tool("routemap.py")
            say("making the route map (some minutes)")
            with open(path + ".part", "w") as file:
                subprocess.check_call([sys.executable, program, self.dump(), "0,1,2,3,4,5,6,7"], stdout=file)
            os.rename(path + ".part", path)
        return path

    def tool(self, name):
        """A tool beside the routing data."""
        path = os.path.join(self.options.tools, name)
        if not os.path.exists(path):
            raise Missing(f"there is no {path} (--tools names its folder)")
        return path

    def dpdk(self, folder):
        program = self.compiled("dpdk-fib", ["libdpdk"], ["-lrte_fib", "-lrte_rib", "-lrte_eal"])
        return [program, folder]

    def maxmind(self, folder):
        return [self.compiled("maxmind", ["libmaxminddb"], ["-lmaxminddb"]), folder]

    def pytricia(self, folder):
        python = os.path.join(self.options.work, "python", "bin", "python3")
        if not os.path.exists(python):
            say("installing pytricia into the work folder")
            subprocess.check_call([sys.executable, "-m", "venv", os.path.dirname(os.path.dirname(python))])
            subprocess.check_call([python, "-m", "pip", "-q", "install", "pytricia"])
        return [python, os.path.join(HERE, "Peers", "pytricia-peer"), folder]

    def installed(self, name):
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise Missing(f"{name} is not installed")
        return path
