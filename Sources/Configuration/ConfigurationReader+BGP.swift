// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPSpeaker
import BGPWire
import RouteTable

/// What stands under a feed's `bgp:`.
extension ConfigurationReader {
    private static let bgpKeys = [
        "peer", "maximum-peers", "as", "port", "local-as", "local-address", "connect",
        "hold-time", "quiet-time", "connect-retry", "maximum-connect-retry", "families",
        "password-file", "tcp-ao", "ttl-security", "multihop", "delay-open",
        "damp-oscillations", "confederation", "role", "strict-role", "graceful-restart",
        "long-lived-stale-time", "add-path", "extended-messages",
    ]

    mutating func readBGP(_ value: Value) -> Configuration.BGPSource? {
        guard let bgp = value.mapping(allowed: Self.bgpKeys) else { return nil }
        let number = bgp.require("as")?.asNumber()
        guard let peer = bgp.require("peer"),
            var source = self.readPeer(peer, bgp, number ?? ASNumber(0))
        else { return nil }
        source.port = bgp["port"]?.integer(1...65535).flatMap(UInt16.init) ?? source.port
        source.localAS = bgp["local-as"]?.asNumber()
        source.localAddress = bgp["local-address"]?.address(source.peer.family)
        source.holdTime = bgp["hold-time"].flatMap(Self.holdTime) ?? source.holdTime
        source.quietTime =
            bgp["quiet-time"]?.duration(.milliseconds(100) ... .seconds(3600))
            ?? source.quietTime
        source.connectRetry =
            bgp["connect-retry"]?.duration(.milliseconds(100) ... .seconds(3600))
            ?? source.connectRetry
        source.maximumConnectRetry =
            bgp["maximum-connect-retry"]?.duration(source.connectRetry ... .seconds(86400))
            ?? max(source.maximumConnectRetry, source.connectRetry)
        if let families = bgp["families"] {
            source.families = Self.families(families, "each of families")
        }
        source.reach = Self.reach(bgp)
        self.readAuthentication(bgp, &source)
        source.options = self.readOptions(bgp, families: source.families)
        return number == nil ? nil : source
    }

    /// An address, or a prefix any of whose addresses may connect.
    private func readPeer(
        _ value: Value, _ bgp: Mapping, _ number: ASNumber
    ) -> Configuration.BGPSource? {
        let connect = bgp["connect"]?.choice(of: ConnectMode.self)
        guard value.plainText?.contains("/") == true else {
            if let cap = bgp["maximum-peers"] {
                cap.complain("maximum-peers is for a range: peer: 203.0.113.0/24")
            }
            guard let peer = value.address() else { return nil }
            var source = Configuration.BGPSource(peer: peer, peerAS: number)
            source.connect = connect ?? source.connect
            return source
        }
        guard let range = value.prefix() else { return nil }
        var source = Configuration.BGPSource(peer: range.address, peerAS: number)
        source.range = range
        source.connect = .passive
        if connect != nil, connect != .passive {
            bgp["connect"]?.complain("connect must be passive for a range of peers")
        }
        if let port = bgp["port"] { port.complain("port is where Martlet dials: not for a range") }
        source.maximumPeers =
            bgp.require("maximum-peers")?.integer(1...FeedID.limit - 1) ?? source.maximumPeers
        return source
    }

    /// RFC 4271 §4.2: 0, or at least three seconds.
    private static func holdTime(_ value: Value) -> Int? {
        guard let duration = value.duration() else { return nil }
        let seconds = duration.components.seconds
        if duration != .seconds(seconds) || seconds == 1 || seconds == 2 {
            value.mustBe("0 or at least 3 seconds")
        } else if seconds > 65535 {
            value.mustBe("at most 65535 seconds")
        } else {
            return Int(seconds)
        }
        return nil
    }

    private static func families(_ value: Value, _ name: String) -> FamilySet {
        enum Word: String, CaseIterable { case ipv4, ipv6 }
        var families: FamilySet = []
        for element in value.elements(name) {
            switch element.choice(of: Word.self) {
            case .ipv4: families.insert(.ipv4)
            case .ipv6: families.insert(.ipv6)
            case nil: break
            }
        }
        return families
    }

    // MARK: Transport

    private static func reach(_ bgp: Mapping) -> Reach {
        let hops = bgp["multihop"]?.integer(1...255)
        let secured = bgp["ttl-security"]?.integer(1...254)
        if let value = bgp["ttl-security"], bgp["multihop"] != nil {
            value.complain("give either ttl-security or multihop: both say how far the peer may be")
        }
        if let secured { return .secured(hops: secured) }
        return hops.map { .multihop($0) } ?? .usual
    }

    private mutating func readAuthentication(
        _ bgp: Mapping, _ source: inout Configuration.BGPSource
    ) {
        if let file = bgp["password-file"] {
            source.passwordFile = self.file(file, isSecret: true)
            if let second = bgp["tcp-ao"] {
                second.complain("a session is signed by password-file or by tcp-ao, not by both")
            }
        }
        guard let value = bgp["tcp-ao"],
            let entry = value.mapping(allowed: ["key-file", "algorithm", "send-id", "receive-id"])
        else { return }
        let file = entry.require("key-file").flatMap { self.file($0, isSecret: true) }
        let send = entry.require("send-id")?.integer(0...255)
        let receive = entry.require("receive-id")?.integer(0...255)
        let algorithm = entry["algorithm"]?.choice(of: Authentication.Algorithm.self)
        self.tcpAO = self.tcpAO ?? value
        guard let file, let send, let receive else { return }
        source.tcpAO = Configuration.TCPAOEntry(
            keyFile: file, sendID: UInt8(send), receiveID: UInt8(receive))
        if let algorithm { source.tcpAO?.algorithm = algorithm }
    }

    // MARK: What the session offers

    private func readOptions(_ bgp: Mapping, families: FamilySet) -> SessionOptions {
        var options = SessionOptions()
        options.delayOpen = bgp["delay-open"]?.duration(.zero ... .seconds(240)).flatMap {
            $0 > .zero ? $0 : nil
        }
        options.dampsOscillations =
            bgp["damp-oscillations"]?.boolean() ?? options.dampsOscillations
        options.isConfederation = bgp["confederation"]?.boolean() ?? false
        options.role = bgp["role"]?.choice(of: RoleWord.self)?.role
        options.isRoleStrict = bgp["strict-role"]?.boolean() ?? false
        if options.isRoleStrict, bgp["role"] == nil {
            bgp["strict-role"]?.complain("strict-role needs a role of our own")
        }
        options.helpsRestart = bgp["graceful-restart"]?.boolean() ?? options.helpsRestart
        // RFC 9494 §4.1: 24 bits of seconds.
        options.longLivedStaleTime =
            bgp["long-lived-stale-time"]?.duration(.zero ... .seconds(16_777_215)).flatMap {
                $0 > .zero ? $0 : nil
            }
        if !options.helpsRestart, options.longLivedStaleTime != nil {
            bgp["long-lived-stale-time"]?.complain(
                "long-lived-stale-time needs graceful-restart (RFC 9494)")
        }
        if let paths = bgp["add-path"] {
            options.addPath = Self.families(paths, "each of add-path")
            if !families.isSuperset(of: options.addPath) {
                paths.complain("add-path has a family that the session hasn't")
            }
        }
        options.extendedMessages =
            bgp["extended-messages"]?.boolean() ?? options.extendedMessages
        return options
    }

    /// RFC 9234 §4.1: what Martlet's own network is to the peer's.
    private enum RoleWord: String, CaseIterable {
        case provider, rs
        case rsClient = "rs-client"
        case customer, peer

        var role: PeeringRole {
            switch self {
            case .provider: .provider
            case .rs: .routeServer
            case .rsClient: .routeServerClient
            case .customer: .customer
            case .peer: .peer
            }
        }
    }

    // MARK: Limits

    /// `{ ipv4: N, ipv6: N, warn: 80%, action: stop | restart, restart-after: 10m }`.
    func prefixLimits(_ value: Value) -> PrefixLimits? {
        enum Action: String, CaseIterable { case stop, restart }
        let keys = ["ipv4", "ipv6", "warn", "action", "restart-after"]
        guard let mapping = value.mapping(allowed: keys) else { return nil }
        var limits = PrefixLimits()
        limits.ipv4 = mapping["ipv4"]?.integer(1...16_777_216)
        limits.ipv6 = mapping["ipv6"]?.integer(1...16_777_216)
        if mapping["ipv4"] == nil, mapping["ipv6"] == nil {
            mapping.complain("limits need a number of prefixes: ipv4 or ipv6")
        }
        limits.warning = mapping["warn"]?.percentage(1...100) ?? limits.warning
        let action = mapping["action"]?.choice(of: Action.self)
        let wait = mapping["restart-after"]?.duration(.seconds(1) ... .seconds(86400))
        if let value = mapping["restart-after"], action != .restart {
            value.complain("restart-after goes with action: restart")
        }
        if action == .restart { limits.restartAfter = wait ?? .seconds(600) }
        return limits
    }
}

extension Configuration.BGPSource {
    /// Addresses that may connect, or are dialled.
    var addresses: IPPrefix { self.range ?? IPPrefix(host: self.peer) }

    /// Why two feeds can't be told apart, or are in each other's way, up to the line.
    func conflict(_ name: String, with other: Self, _ otherName: String) -> String? {
        switch (self.range, other.range) {
        case (nil, nil): break
        case (let a?, let b?):
            return a == b
                ? "feed '\(name)' has the same range of peers as feed '\(otherName)'" : nil
        case (_?, nil), (nil, _?):
            let (range, single) = self.range == nil ? (other, self) : (self, other)
            let isInside = range.addresses.contains(single.peer)
            // The kernel asks all addresses of the range for its key.
            guard isInside, range.isSigned, !single.isSigned, single.connect.accepts else {
                return nil
            }
            return "feed '\(name)' and feed '\(otherName)': the peer \(single.peer) is one of "
                + "the range \(range.addresses), whose connections are signed, and so has to "
                + "sign too; the other is"
        }
        guard self.peer == other.peer else { return nil }
        // Who dials different ports, or is dialled at different addresses, is told apart.
        let bothDialled = self.connect == .active && other.connect == .active
        if bothDialled, self.port != other.port { return nil }
        if let a = self.localAddress, let b = other.localAddress, a != b {
            // One address has one key.
            return self.passwordFile == other.passwordFile && self.tcpAO == other.tcpAO
                ? nil
                : "feed '\(name)' has another key than feed '\(otherName)' for the same "
                    + "address \(self.peer)"
        }
        if !bothDialled, (self.localAddress == nil) != (other.localAddress == nil),
            self.passwordFile == other.passwordFile, self.tcpAO == other.tcpAO
        {
            return nil
        }
        return "feed '\(name)' has the same peer as feed '\(otherName)'"
    }

    var isSigned: Bool { self.passwordFile != nil || self.tcpAO != nil }
}

extension Value {
    /// A whole number of per cent, as `80%`.
    func percentage(_ range: ClosedRange<Int>) -> Int? {
        if let text = self.plainText, text.hasSuffix("%"), let value = Int(text.dropLast()),
            range.contains(value)
        {
            return value
        }
        self.mustBe("from \(range.lowerBound)% to \(range.upperBound)%")
        return nil
    }
}
