// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import Testing

/// What a dig or kdig command must print, and must not.
struct Transcript: Sendable, CustomTestStringConvertible {
    var arguments: String
    var expected: [String]
    var absent: [String] = []

    var testDescription: String { self.arguments }
}

@Suite("Asked by dig and kdig", .timeLimit(.minutes(5)))
struct DigTests {
    private static let pins = [("1.0.4.0/22", [amsterdam]), ("2001:db8:8000::/33", [tokyo])]

    private func run(_ program: String, _ transcripts: [Transcript]) async throws {
        try await withServer(listen: ["127.0.0.1", "::1"], pins: Self.pins) { _, endpoints in
            for transcript in transcripts {
                for endpoint in endpoints {
                    let common = ["@\(endpoint.address)", "-p", "\(endpoint.port)"]
                    let limits =
                        program == "dig"
                        ? ["+tries=1", "+time=30"] : ["+retry=0", "+timeout=30"]
                    let text = try await output(
                        of: program,
                        common + limits
                            + transcript.arguments.split(separator: " ").map(String.init))
                    for line in transcript.expected {
                        #expect(text.contains(line), "\(transcript.arguments):\n\(text)")
                    }
                    for line in transcript.absent + [
                        "WARNING", "Warning", "unexpected source", "malformed",
                    ] {
                        #expect(!text.contains(line), "\(transcript.arguments):\n\(text)")
                    }
                }
            }
        }
    }

    @Test("dig understands every answer", .enabled(if: isInstalled("dig"), "dig is missing"))
    func dig() async throws {
        try await self.run(
            "dig",
            [
                Transcript(
                    arguments: "+norec www.example.com A +subnet=1.0.4.0/24",
                    expected: [
                        "status: NOERROR", "flags: qr aa;",
                        "www.example.com.\t60\tIN\tA\t193.173.27.8",
                        "; CLIENT-SUBNET: 1.0.4.0/24/22", "udp: 1232",
                    ]),
                Transcript(
                    arguments: "+norec www.example.com AAAA +subnet=2001:db8:8000::/48",
                    expected: ["2001:db8:1::1", "; CLIENT-SUBNET: 2001:db8:8000::/48/33"]),
                Transcript(
                    arguments: "+norec www.example.com A +subnet=0.0.0.0/0",
                    expected: ["210.18.215.100", "; CLIENT-SUBNET: 0.0.0.0/0/0"]),
                Transcript(
                    arguments: "+norec www.example.com A +subnet=0",
                    expected: ["210.18.215.100", "CLIENT-SUBNET"]),
                Transcript(
                    arguments: "+norec +tcp www.example.com A +subnet=1.0.4.0/24",
                    expected: ["193.173.27.8", "(TCP)"]),
                Transcript(
                    arguments: "+norec +noedns static.example.com A",
                    expected: ["192.0.2.10", "192.0.2.11", "ADDITIONAL: 0"], absent: ["EDNS"]),
                Transcript(
                    arguments: "+norec +edns=1 +noednsneg example.com SOA",
                    expected: ["status: BADVERS", "EDNS: version: 0", "ANSWER: 0"]),
                Transcript(
                    arguments: "+norec +ednsopt=100 example.com SOA",
                    expected: ["status: NOERROR", "ANSWER: 1"], absent: ["OPT=100"]),
                Transcript(
                    arguments: "+norec +ednsflags=0x40 example.com SOA",
                    expected: ["status: NOERROR", "ANSWER: 1"], absent: ["MBZ"]),
                Transcript(
                    arguments: "+norec +dnssec example.com SOA",
                    expected: ["status: NOERROR", "flags: do;"]),
                Transcript(
                    arguments: "+norec +zflag example.com SOA",
                    expected: ["status: NOERROR", "flags: qr aa;"], absent: ["MBZ"]),
                Transcript(
                    arguments: "+norec +adflag +cdflag example.com SOA",
                    expected: ["status: NOERROR", "flags: qr aa;"]),
                Transcript(
                    arguments: "+norec +noedns +noad +opcode=15 +header-only",
                    expected: ["opcode: RESERVED15, status: NOTIMP"]),
                Transcript(
                    arguments: "+norec +noedns +noad +opcode=notify example.com SOA",
                    expected: ["opcode: NOTIFY, status: NOTIMP"], absent: ["flags: qr aa"]),
                Transcript(
                    arguments: "+norec example.com TYPE1000",
                    expected: ["status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "SOA"]),
                Transcript(
                    arguments: "+norec nothing.example.com A",
                    expected: [
                        "status: NXDOMAIN", "AUTHORITY: 1",
                        "example.com.\t\t60\tIN\tSOA\tns1.example.com. hostmaster.example.com. 7",
                    ]),
                Transcript(
                    arguments: "+norec +ignore +bufsize=512 big.example.com TXT",
                    expected: ["flags: qr aa tc;", "ANSWER: 0"]),
                Transcript(
                    arguments: "+norec +bufsize=512 big.example.com TXT",
                    expected: ["Truncated, retrying in TCP mode", "ANSWER: 20"]),
                Transcript(
                    arguments: "+norec example.com ANY",
                    expected: ["HINFO\t\"RFC8482\" \"\""]),
                Transcript(
                    arguments: "+norec +notcp example.com ANY",
                    expected: ["HINFO\t\"RFC8482\" \"\""]),
                Transcript(arguments: "+norec example.com AXFR", expected: ["Transfer failed"]),
                Transcript(arguments: "+norec example.org A", expected: ["status: REFUSED"]),
                Transcript(
                    arguments: "+norec alias.example.com A",
                    expected: [
                        "CNAME\tsecond.example.com.", "CNAME\tstatic.example.com.", "192.0.2.11",
                    ]),
                Transcript(
                    arguments: "+norec a.sub.example.com A",
                    expected: [
                        "flags: qr;", "AUTHORITY: 2", "ns.sub.example.com.\t300\tIN\tA\t192.0.2.14",
                    ]),
                Transcript(
                    arguments: "+norec +keepopen +tcp example.com NS",
                    expected: ["ANSWER: 3", "ns1.example.com.\t300\tIN\tAAAA\t2001:db8::1"]),
            ])
    }

    @Test("kdig understands every answer", .enabled(if: isInstalled("kdig"), "kdig is missing"))
    func kdig() async throws {
        try await self.run(
            "kdig",
            [
                Transcript(
                    arguments: "+norec www.example.com A +subnet=1.0.4.0/24",
                    expected: [
                        "status: NOERROR", "193.173.27.8", "CLIENT-SUBNET: 1.0.4.0/24/22",
                    ]),
                Transcript(
                    arguments: "+norec +tcp +keepopen www.example.com A static.example.com A",
                    expected: ["210.18.215.100", "192.0.2.11"]),
                Transcript(
                    arguments: "+norec +edns=1 example.com SOA", expected: ["BADVERS"]),
                Transcript(
                    arguments: "+norec +nsid +padding=64 example.com NS",
                    expected: ["status: NOERROR", "ns2.example.com."]),
                Transcript(
                    arguments: "+norec nothing.example.com A",
                    expected: ["status: NXDOMAIN", "SOA"]),
                Transcript(
                    arguments: "+norec +ignore +bufsize=600 big.example.com TXT",
                    expected: ["qr aa tc;", "ANSWER: 0"]),
                Transcript(arguments: "+norec example.com AXFR", expected: ["REFUSED"]),
                Transcript(
                    arguments: "+norec x.wild.example.com TXT", expected: ["\"wild\""]),
            ])
    }
}
