// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire

/// A session's settings in words, for `martlet check` and for what a reload changes.
extension Configuration.BGPSource {
    /// Whom it is with, and what is unusual about it.
    var words: String {
        var words = "BGP with \(self.addresses.words) AS \(self.peerAS)"
        if self.range != nil {
            words += ", \(self.maximumPeers) peer\(self.maximumPeers == 1 ? "" : "s") at most"
        }
        if self.reach != .usual { words += ", \(self.reach.words)" }
        if self.isSigned { words += ", signed by \(self.signatureWords)" }
        let options = self.options.words
        return options.isEmpty ? words : "\(words), \(options)"
    }

    /// What becomes of a session whose settings were others.
    func words(from old: Configuration.BGPSource) -> String {
        var parts: [String] = []
        func compare<T: Equatable>(_ what: String, _ before: T, _ after: T, _ text: (T) -> String) {
            if before != after { parts.append("\(what) \(text(before)) -> \(text(after))") }
        }
        compare("peer", old.addresses, self.addresses) { $0.words }
        compare("port", old.port, self.port) { $0.description }
        compare("as", old.peerAS, self.peerAS) { $0.description }
        compare("local-as", old.localAS, self.localAS) { $0?.description ?? "the router's" }
        compare("local-address", old.localAddress, self.localAddress) {
            $0?.description ?? "any"
        }
        compare("hold-time", old.holdTime, self.holdTime) { $0.description }
        compare("families", old.families, self.families) { $0.words }
        compare("reach", old.reach, self.reach) { $0.words }
        let wasMD5 = old.passwordFile != nil
        let isMD5 = self.passwordFile != nil
        if wasMD5 != isMD5 || old.tcpAO != self.tcpAO {
            parts.append("signed by \(old.signatureWords) -> \(self.signatureWords)")
        } else if self.tcpAO != nil, old.authentication != self.authentication {
            parts.append("the key has changed")
        }
        if old.options.said != self.options.said {
            parts.append(
                "\(old.options.said.wordsOrUsual) -> \(self.options.said.wordsOrUsual)")
        }
        // These go on with the session as it is.
        let resets = !parts.isEmpty
        if wasMD5, isMD5 {
            compare("password-file", old.passwordFile, self.passwordFile) { $0 ?? "none" }
            if old.authentication != self.authentication {
                parts.append("the password has changed: the session signs by the new one")
            }
        }
        compare("connect", old.connect, self.connect) { $0.rawValue }
        compare("maximum-peers", old.maximumPeers, self.maximumPeers) { $0.description }
        compare("quiet-time", old.quietTime, self.quietTime, Value.words)
        compare("connect-retry", old.connectRetry, self.connectRetry, Value.words)
        compare(
            "maximum-connect-retry", old.maximumConnectRetry, self.maximumConnectRetry,
            Value.words)
        compare("delay-open", old.options.delayOpen, self.options.delayOpen) {
            $0.map(Value.words) ?? "off"
        }
        compare(
            "damp-oscillations", old.options.dampsOscillations, self.options.dampsOscillations
        ) { "\($0)" }
        return parts.joined(separator: ", ") + (resets ? "; the session is reset" : "")
    }

    private var signatureWords: String {
        if self.passwordFile != nil { return "TCP MD5" }
        guard let tuple = self.tcpAO else { return "nothing" }
        return "TCP-AO (\(tuple.algorithm.rawValue), ids \(tuple.sendID) and "
            + "\(tuple.receiveID))"
    }
}

extension IPPrefix {
    /// An address alone where it is one.
    fileprivate var words: String {
        self.length == self.family.width ? "\(self.address)" : "\(self)"
    }
}

extension FamilySet {
    /// As in the configuration.
    fileprivate var words: String {
        self.isEmpty
            ? "none"
            : self.families.map { $0 == .ipv4 ? "ipv4" : "ipv6" }.joined(separator: " ")
    }
}

extension Reach {
    var words: String {
        func hops(_ count: Int) -> String { "\(count) hop\(count == 1 ? "" : "s")" }
        return switch self {
        case .usual: "usual reach"
        case .multihop(let count): "multihop, \(hops(count)) at most"
        case .secured(let count): "TTL security, \(hops(count)) at most"
        }
    }
}

extension SessionOptions {
    /// Those that are said in OPEN, or mean another session.
    fileprivate var said: SessionOptions {
        var said = self
        said.delayOpen = nil
        said.dampsOscillations = true
        return said
    }

    fileprivate var wordsOrUsual: String { self.words.isEmpty ? "usual options" : self.words }

    /// What is unusual; empty where nothing is.
    fileprivate var words: String {
        var words: [String] = []
        if let role = self.role {
            words.append("role \(role)\(self.isRoleStrict ? " (strict)" : "")")
        }
        if self.isConfederation { words.append("of our confederation") }
        if !self.helpsRestart { words.append("no graceful restart") }
        if let time = self.longLivedStaleTime {
            words.append("stale for \(Value.words(time)) at most")
        }
        if !self.addPath.isEmpty { words.append("several paths of \(self.addPath.words)") }
        if !self.extendedMessages { words.append("no extended messages") }
        if let delay = self.delayOpen { words.append("OPEN after \(Value.words(delay))") }
        if !self.dampsOscillations { words.append("oscillations not damped") }
        return words.joined(separator: ", ")
    }
}

extension PrefixLimits {
    /// As `martlet check` and a reload say it.
    static func words(_ limits: PrefixLimits?) -> String {
        guard let limits else { return "as many prefixes as the table takes" }
        var words: [String] = []
        if let ipv4 = limits.ipv4 { words.append("\(ipv4) IPv4") }
        if let ipv6 = limits.ipv6 { words.append("\(ipv6) IPv6") }
        let wait = limits.restartAfter.map { "again after \(Value.words($0))" } ?? "stop"
        return "at most \(words.joined(separator: " and ")) prefixes "
            + "(warn at \(limits.warning)%, then \(wait))"
    }
}
