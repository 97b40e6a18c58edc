// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Configuration
import DNSFront
import DNSWire
import Foundation
import Testing

@Suite("How DNS is answered")
struct DNSOptionTests {
    private static let secret = "e5e973e5a6b2a43f48e7dc849e37bfcf"

    private func plan(_ dns: String, _ more: String = "") throws -> Plan {
        try Reading.parse(Reading.sites + "dns: \(dns)\n" + more).plan(product: "martlet 9")
    }

    @Test("what isn't said is as usual: limited, with cookies, by name, nothing to debug")
    func usual() throws {
        let rules = try self.plan("{ threads: 1 }").dns.rules
        #expect(rules.rateLimit == RateLimitRules())
        #expect(rules.cookies == CookieRules())
        #expect(rules.version == "martlet 9")
        #expect(rules.identity?.isEmpty == false)
        #expect(rules.identity.map { ProcessInfo.processInfo.hostName.hasPrefix($0) } == true)
        #expect(rules.debuggers.isEmpty)
        #expect(rules.subnetSenders == nil)
        #expect(rules == (try Reading.parse(Reading.sites).plan(product: "martlet 9")).dns.rules)
    }

    @Test("all of it can be said")
    func all() throws {
        let plan = try self.plan(
            """

              identity: ams1
              version: hidden
              client-subnet: { from: [192.0.2.0/24, "2001:db8::/32"] }
              cookies: { required: true }
              rate-limit:
                answers: 1000
                negative: 0
                errors: 5
                slip: 1
                ipv4-prefix: 28
                ipv6-prefix: 48
                table-size: 2048
                exempt: 127.0.0.0/8
              debug: { allow: [127.0.0.0/8] }
              decision-log: { file: decisions.json, sample: 7, rate: 50 }
            """,
            """
            listen: { dns: ["127.0.0.1:53", { address: "127.0.0.2:53", client-subnet: off }] }
            zones:
              example.com:
                ns: ns.example.org
                records:
                  www: { nearest: [tokyo], client-subnet: off }
                  mail: { nearest: [tokyo], client-subnet: on }

            """)
        let rules = plan.dns.rules
        #expect(rules.identity == "ams1")
        #expect(rules.version == nil)
        #expect(rules.subnetSenders?.map(\.description) == ["192.0.2.0/24", "2001:db8::/32"])
        #expect(rules.cookies == CookieRules(isRequired: true))
        var limits = RateLimitRules()
        (limits.answers, limits.negative, limits.errors) = (1000, 0, 5)
        (limits.slip, limits.lengthIPv4, limits.lengthIPv6) = (1, 28, 48)
        limits.tableSize = 2048
        limits.exempt = [try IPPrefix(parsing: "127.0.0.0/8")]
        #expect(rules.rateLimit == limits)
        #expect(rules.debuggers == limits.exempt)
        var decisions = DecisionLogRules(file: "decisions.json")
        (decisions.sample, decisions.rate) = (7, 50)
        #expect(rules.decisions == decisions)
        #expect(plan.dns.listeners.map(\.usesClientSubnet) == [true, false])
        let nearest = try #require(plan.zones.first).nearest
        #expect(
            nearest[try DomainName(parsing: "www.example.com")]?.usesClientSubnet == false)
        #expect(nearest[try DomainName(parsing: "mail.example.com")]?.usesClientSubnet == true)
    }

    @Test("listeners have proxies, and clients so many connections")
    func proxies() throws {
        let configuration = try Reading.parse(
            Reading.sites + """
                listen:
                  dns:
                    - "127.0.0.1:53"
                    - address: "127.0.0.2:53"
                      proxy: { from: [192.0.2.0/28, "2001:db8::1/128"] }
                      client-subnet: off
                    - { address: "[::]:853", tls: { certificate: dot.pem, key: dot.key } }
                dns: { connections-per-client: 7 }

                """)
        let dns = configuration.plan().dns
        #expect(dns.connectionsPerClient == 7)
        #expect(
            dns.listeners.map { $0.proxies.map(\.description) }
                == [[], ["192.0.2.0/28", "2001:db8::1/128"], []])
        #expect(
            dns.listeners.map(\.tls)
                == [nil, nil, TLSFiles(certificate: "dot.pem", key: "dot.key")])
        let summary = configuration.summary()
        #expect(
            summary.contains(
                "listen dns: 127.0.0.1:53, 127.0.0.2:53 (proxy 192.0.2.0/28 2001:db8::1/128; "
                    + "client-subnet off), [::]:853 (tls by dot.pem)"))
        #expect(summary.contains("at most 7 of a client"))
    }

    @Test("much of it can be off")
    func off() throws {
        let rules = try self.plan(
            "{ cookies: off, rate-limit: off, client-subnet: off, identity: hidden }"
        ).dns.rules
        #expect(rules.cookies == nil)
        #expect(rules.rateLimit == nil)
        #expect(rules.subnetSenders == [])
        #expect(rules.identity == nil)
        #expect(try self.plan("{ cookies: on, client-subnet: on }").dns.rules.cookies != nil)
    }

    @Test("cookies' secrets come from a file that is nobody else's, and stay out of words")
    func secrets() throws {
        let folder = try Folder()
        let text = Reading.sites + "dns: { cookies: { secret-file: cookies.key } }\n"
        #expect(
            try folder.complaints(text) == [
                "martlet.yaml:2:32: cookies.key: there is no such file"
            ])
        try folder.write("# rolled today\n\(Self.secret)\n", "cookies.key", mode: 0o644)
        #expect(
            try folder.complaints(text) == [
                "martlet.yaml:2:32: cookies.key holds secrets and everybody can open it: "
                    + "chmod o-rwx"
            ])
        try folder.write("\(Self.secret)\nnonsense\n", "cookies.key")
        #expect(
            try folder.complaints(text) == [
                "martlet.yaml:2:32: cookies.key: line 2 is not 32 hexadecimal digits"
            ])
        try folder.write("# rolled today\n\(Self.secret)\n", "cookies.key", mode: 0o640)
        #expect(try folder.complaints(text) == [])
        let first = try Configuration.load(path: folder.path + "/martlet.yaml")
        #expect(
            first.plan().dns.rules.cookies?.secrets == (try CookieSecrets(parsing: Self.secret)))

        let other = String(Self.secret.reversed())
        try folder.write("\(other)\n\(Self.secret)\n", "cookies.key")
        let second = try Configuration.load(path: folder.path + "/martlet.yaml")
        let words = second.differences(from: first)
        #expect(words == ["dns: cookies on by \(folder.path)/cookies.key"])
        #expect(!(words.joined() + second.summary()).contains(Self.secret))
        #expect(!(words.joined() + second.summary()).contains(other))
    }

    @Test("a summary shows what isn't as usual")
    func summary() throws {
        let text =
            Reading.sites + """
                listen: { dns: ["127.0.0.1:53"] }
                dns:
                  threads: 2
                  identity: ams1
                  cookies: { required: true }
                  client-subnet: off
                  rate-limit: { exempt: [10.0.0.0/8] }
                  debug: { allow: [127.0.0.0/8, "::1/128"] }
                  decision-log: { file: /var/log/martlet/decisions }

                """
        let lines = try Reading.parse(text).summary().split(separator: "\n")
        #expect(
            lines.contains(
                "dns 2 threads; identity 'ams1'; client-subnet off; cookies required; rate-limit "
                    + "answers 500, negative 200, errors 100 a second and a /24 or /56, slip 2, "
                    + "exempt 10.0.0.0/8; debug for 127.0.0.0/8, ::1/128; decision-log "
                    + "/var/log/martlet/decisions, 1 in 100, at most 100 a second"))
        let usual = try Reading.parse(
            Reading.sites + "listen: { dns: ['127.0.0.1:53'] }\n"
        ).summary()
        #expect(!usual.contains("\ndns "))
    }
}
