# Martlet: a BGP-fed route server and proximity oracle
# SPDX-License-Identifier: Apache-2.0
"""martletd under the rules of the systemd unit that it comes with: what the unit forbids is nothing that it
needs. systemd itself isn't started; its list of system calls is laid upon the process as systemd does."""
import ctypes
import glob
import os
import re
import signal
import stat
import struct
import unittest

from harness import ROOT, Martlet, TestCase, peer, run
from test_handover import Follower

UNIT = os.path.join(ROOT, "Tools", "packaging", "martletd.service")
GROUP = 54321
CONFIGURATION = f"""
router: {{ as: 65000, id: 192.0.2.1 }}
listen:
  bgp: ["127.0.0.1:$bgp"]
  bmp: ["127.0.0.1:$peer"]
  console: [{{ address: "127.0.0.1:$machine", face: machine }}]
  socket: $socket
  dns: ["127.0.0.1:$dns"]
dns:
  threads: 2
  pin-threads: true
  decision-log: {{ file: decisions, sample: 1 }}
powerdns: {{ socket: $folder/pdns.sock, group: {GROUP} }}
checkpoint: {{ file: table, every: 0 }}
sites:
  near: {{ as: 64600, addresses: [192.0.2.10] }}
zones:
  example.com:
    ns: [ns1.example.com]
    records:
      ns1: {{ a: 192.0.2.53 }}
      www: {{ nearest: [near] }}
"""
# seccomp(2), prctl(2), bpf's instructions.
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ERRNO with EPERM
X86_64 = 0xC000003E
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2


def settings(name):
    """What the unit says of `name`, line by line."""
    with open(UNIT) as file:
        return [line.split("=", 1)[1].strip() for line in file if line.startswith(f"{name}=")]


def calls(name):
    """The system calls of a set, with those of the sets in it."""
    if not name.startswith("@"):
        return {name}
    listed = run(peer("systemd-analyze"), "syscall-filter", name).stdout.splitlines()[1:]
    words = [line.strip() for line in listed]
    return set().union(*(calls(word) for word in words if word and not word.startswith("#")))


def allowed():
    """systemd.exec(5): @default always; then the lines in their order, the first of which is of what is allowed."""
    found = calls("@default")
    for line in settings("SystemCallFilter"):
        change = found.difference if line.startswith("~") else found.union
        found = change(*(calls(word) for word in line.lstrip("~").split()))
    return found


def program():
    """The filter as the kernel takes it."""
    with open(glob.glob("/usr/include/*/asm/unistd_64.h")[0]) as file:
        numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", file.read()))
    lines = [(LOAD, 0, 0, 4), (JUMP_IF_EQUAL, 1, 0, X86_64), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, 0)]
    for name in sorted(allowed() & numbers.keys()):
        lines += [(JUMP_IF_EQUAL, 0, 1, int(numbers[name])), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, REFUSE))
    return len(lines), b"".join(struct.pack("=HBBI", *line) for line in lines)


@unittest.skipUnless(os.uname().machine == "x86_64", "the numbers are those of x86-64")
class FilterTests(TestCase):
    def start(self):
        count, text = program()
        code = ctypes.create_string_buffer(text, len(text))
        rules = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", count, ctypes.addressof(code)))
        library = ctypes.CDLL(None, use_errno=True)

        def obey():
            if (library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0
                    or library.prctl(SECCOMP, FILTER, rules, 0, 0) != 0):
                raise OSError(ctypes.get_errno(), "prctl")

        daemon = Martlet(CONFIGURATION, process={"preexec_fn": obey})
        self.addCleanup(daemon.stop)
        return daemon

    @unittest.skipUnless(os.getuid() == 0, "only root can give a socket to any group")
    def test_it_does_all_that_it_does(self):
        """It serves, gives PowerDNS's socket to a group, reloads, writes its files and is replaced."""
        daemon = self.start()
        with open(f"/proc/{daemon.child.pid}/status") as file:
            self.assertRegex(file.read(), r"(?m)^Seccomp:\t2$")
        status = os.stat(os.path.join(daemon.folder, "pdns.sock"))
        self.assertEqual((status.st_gid, stat.S_IMODE(status.st_mode)), (GROUP, 0o660))
        self.assertEqual(daemon.dig("www.example.com").addresses, ["192.0.2.10"])
        daemon.write("martlet.yaml", CONFIGURATION.replace("threads: 2", "threads: 3"))
        self.assertEqual(daemon.console("reload").returncode, 0)
        done = daemon.console("replace")
        found = re.search(r"process (\d+) has taken over", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        follower = Follower(int(found[1]))
        self.addCleanup(follower.stop)
        self.assertEqual(daemon.wait(90), 0)
        self.assertEqual(daemon.dig("www.example.com", "A", None, "+tcp").addresses, ["192.0.2.10"])
        self.assertEqual(os.stat(os.path.join(daemon.folder, "pdns.sock")).st_gid, GROUP)
        os.kill(follower.pid, signal.SIGTERM)
        daemon.wait_line(r"\bended\b")
        self.assertNotIn("Operation not permitted", daemon.output)
        self.assertNotIn("errno=1", daemon.output)


class PlaceTests(TestCase):
    def test_it_may_write_where_the_documentation_has_it_write(self):
        pages = [os.path.join(ROOT, "README.md"), *glob.glob(f"{ROOT}/Sources/*/*.docc/*.md")]
        places = set()
        for page in pages:
            with open(page) as file:
                places.update(re.findall(r"(?:/var/lib|/var/log|/run)/martlet(?=/)", file.read()))
        self.assertIn("/var/log/martlet", places)
        folders = {"/var/lib": "StateDirectory", "/var/log": "LogsDirectory", "/run": "RuntimeDirectory"}
        for place in sorted(places):
            with self.subTest(place=place):
                self.assertIn("martlet", settings(folders[os.path.dirname(place)]))


if __name__ == "__main__":
    unittest.main()
