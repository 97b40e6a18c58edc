// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSFront

extension ConfigurationReader {
    private static let dnsKeys = [
        "threads", "pin-threads", "maximum-udp-size", "maximum-connections",
        "connections-per-client", "idle-timeout", "identity", "version", "client-subnet",
        "cookies", "rate-limit", "debug", "decision-log",
    ]

    mutating func readDNS(_ value: Value) {
        guard let dns = value.mapping(allowed: Self.dnsKeys) else { return }
        if let threads = dns["threads"]?.integer(1...256) { self.result.dns.threads = threads }
        if let pins = dns["pin-threads"]?.boolean() { self.result.dns.pinsThreads = pins }
        if let size = dns["maximum-udp-size"]?.integer(512...4096) {
            self.result.dns.maximumUDPSize = size
        }
        if let count = dns["maximum-connections"]?.integer(1...65535) {
            self.result.dns.maximumConnections = count
        }
        if let count = dns["connections-per-client"]?.integer(1...65535) {
            self.result.dns.connectionsPerClient = count
        }
        if let time = dns["idle-timeout"]?.duration(.seconds(1) ... .seconds(3600)) {
            self.result.dns.idleTimeout = time
        }
        if let told = dns["identity"].flatMap({ $0.told(AnswerRules.identityLimit) }) {
            self.result.dns.identity = told
        }
        if let told = dns["version"].flatMap({ $0.told(AnswerRules.versionLimit) }) {
            self.result.dns.version = told
        }
        if let subnet = dns["client-subnet"] { self.readSubnetSenders(subnet) }
        if let cookies = dns["cookies"] { self.readCookies(cookies) }
        if let limit = dns["rate-limit"] { self.readRateLimit(limit) }
        if let debug = dns["debug"]?.mapping(allowed: ["allow"]), let allow = debug.require("allow")
        {
            self.result.dns.rules.debuggers = allow.prefixes()
        }
        if let log = dns["decision-log"] { self.readDecisionLog(log) }
    }

    private mutating func readDecisionLog(_ value: Value) {
        guard let log = value.mapping(allowed: ["file", "sample", "rate"]) else { return }
        let sample = log["sample"]?.integer(1...1_000_000)
        let rate = log["rate"]?.integer(1...10_000)
        guard let file = log.require("file"), let path = file.text("a file's path") else { return }
        var rules = DecisionLogRules(file: self.document.resolve(path))
        rules.sample = sample ?? rules.sample
        rules.rate = rate ?? rules.rate
        self.result.dns.rules.decisions = rules
        self.decisionFile = file
    }

    /// Where DNS is served: an endpoint, or a mapping of it and what holds there.
    mutating func dnsListener(_ value: Value) -> Configuration.DNSListenEntry? {
        guard value.isMapping else {
            return value.endpoint().map { Configuration.DNSListenEntry(endpoint: $0) }
        }
        guard
            let mapping = value.named("a dns listener")
                .mapping(allowed: ["address", "client-subnet", "proxy", "tls"]),
            let endpoint = mapping.require("address")?.endpoint()
        else { return nil }
        var entry = Configuration.DNSListenEntry(endpoint: endpoint)
        if let uses = mapping["client-subnet"]?.isOn() { entry.usesClientSubnet = uses }
        if let from = mapping["proxy"]?.mapping(allowed: ["from"])?.require("from") {
            entry.proxies = from.prefixes()
        }
        if let tls = mapping["tls"] { entry.tls = self.certificate(tls) }
        return entry
    }

    /// The files of a certificate.
    private mutating func certificate(_ value: Value) -> TLSFiles? {
        guard let tls = value.mapping(allowed: ["certificate", "key"]) else { return nil }
        let certificate = tls.require("certificate")
        let certificatePath = certificate?.text("a file's path")
        let key = tls.require("key")
        let keyPath = key?.text("a file's path")
        guard let certificate, let certificatePath, let key, let keyPath else { return nil }
        let files = TLSFiles(
            certificate: self.document.resolve(certificatePath),
            key: self.document.resolve(keyPath))
        self.certificates.append(
            NamedCertificate(value: value, certificate: certificate, key: key, files: files))
        return files
    }

    /// `on`, `off`, or from whom.
    private mutating func readSubnetSenders(_ value: Value) {
        guard value.isMapping else {
            switch value.isOn("on, off or a mapping with from") {
            case true?: self.result.dns.rules.subnetSenders = nil
            case false?: self.result.dns.rules.subnetSenders = []
            case nil: break
            }
            return
        }
        guard let from = value.mapping(allowed: ["from"])?.require("from") else { return }
        self.result.dns.rules.subnetSenders = from.prefixes()
    }

    private mutating func readCookies(_ value: Value) {
        guard value.isMapping else {
            switch value.isOn("on, off or a mapping") {
            case true?: self.result.dns.rules.cookies = CookieRules()
            case false?: self.result.dns.rules.cookies = nil
            case nil: break
            }
            return
        }
        guard let cookies = value.mapping(allowed: ["secret-file", "required"]) else { return }
        var rules = CookieRules()
        if let required = cookies["required"]?.boolean() { rules.isRequired = required }
        if let file = cookies["secret-file"] {
            self.cookieFile = file
            self.result.dns.cookieFile = file.text("a file's path").map(self.document.resolve)
        }
        self.result.dns.rules.cookies = rules
    }

    private mutating func readRateLimit(_ value: Value) {
        if value.plainText == "off" {
            self.result.dns.rules.rateLimit = nil
            return
        }
        let keys = [
            "answers", "negative", "errors", "slip", "ipv4-prefix", "ipv6-prefix", "exempt",
            "table-size",
        ]
        guard value.isMapping || value.isEmpty else {
            value.mustBe("off or a mapping")
            return
        }
        guard let limit = value.mapping(allowed: keys) else { return }
        var rules = RateLimitRules()
        func read(
            _ key: String, _ range: ClosedRange<Int>, _ path: WritableKeyPath<RateLimitRules, Int>
        ) {
            if let number = limit[key]?.integer(range) { rules[keyPath: path] = number }
        }
        read("answers", 0...RateLimitRules.maximumRate, \.answers)
        read("negative", 0...RateLimitRules.maximumRate, \.negative)
        read("errors", 0...RateLimitRules.maximumRate, \.errors)
        read("slip", 0...100, \.slip)
        read("ipv4-prefix", 8...32, \.lengthIPv4)
        read("ipv6-prefix", 16...128, \.lengthIPv6)
        read("table-size", 1024...(1 << 22), \.tableSize)
        if let exempt = limit["exempt"] { rules.exempt = exempt.prefixes() }
        self.result.dns.rules.rateLimit = rules
    }
}

extension Value {
    /// The word `on` or `off`.
    func isOn(_ what: String = "on or off") -> Bool? {
        switch self.plainText {
        case "on": return true
        case "off": return false
        default:
            self.mustBe(what)
            return nil
        }
    }

    /// A list of prefixes, or one.
    func prefixes() -> [IPPrefix] {
        self.elements("each of \(self.name)").compactMap { $0.prefix() }
    }

    /// The word `hidden`, or a text of at most so many bytes.
    func told(_ limit: Int) -> Configuration.Told? {
        guard let text = self.text() else { return nil }
        if text == "hidden" { return .hidden }
        guard text.utf8.count <= limit else {
            self.mustBe("hidden, or at most \(limit) bytes")
            return nil
        }
        return .text(text)
    }
}
