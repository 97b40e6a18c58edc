// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// The attributes that say how a route came to be, and the lists that tag it.
extension AttributeDecoder {
    /// RFC 7606 §7.1.
    mutating func decodeOrigin(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard value.byteCount == 1, let origin = value.uint8(at: 0) else {
            self.complain(place, .wrongLength, .treatAsWithdraw, bytes)
            return
        }
        guard origin <= 2 else {
            self.complain(place, .undefinedValue, .treatAsWithdraw, bytes)
            return
        }
        self.result.attributes.origin = origin
    }

    /// RFC 7606 §7.3. A next hop that can't be a host's address is an error of the route's
    /// (RFC 4271 §6.3), which is not used then; loopback addresses are left alone: Martlet
    /// forwards nothing, and a router beside it may well say them.
    mutating func decodeNextHop(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        // Table dumps of IPv6 routes have been seen with an IPv6 address in NEXT_HOP.
        if self.context.mrt != .none, value.byteCount == 16 {
            self.result.attributes.nextHop = value.address(.ipv6, at: 0)
            return
        }
        guard value.byteCount == 4, let address = value.uint32(at: 0) else {
            self.complain(place, .wrongLength, .treatAsWithdraw, bytes)
            return
        }
        self.result.attributes.nextHop = IPAddress(ipv4: address)
        guard address != 0, address < 0xe000_0000 else {
            self.complain(place, .invalidNextHop, .treatAsWithdraw, bytes)
            return
        }
    }

    /// RFC 7606 §7.7, RFC 6793 §4.1, RFC 7607 §2.
    mutating func decodeAggregator(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        let size = self.context.fourOctetAS ? 8 : 6
        guard value.byteCount == size,
            let number = self.context.fourOctetAS
                ? value.uint32(at: 0) : value.uint16(at: 0).map(UInt32.init),
            let address = value.uint32(at: size - 4)
        else {
            self.complain(place, .wrongLength, .discardAttribute, bytes)
            return
        }
        guard number != 0 else {
            self.complain(place, .asZero, .discardAttribute, bytes)
            return
        }
        self.result.attributes.aggregator = .init(
            asNumber: ASNumber(number), address: IPAddress(ipv4: address))
    }

    /// RFC 9234 §5.
    mutating func decodeOnlyToCustomer(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard let number = self.number(place, value, bytes) else { return }
        let mark = ASNumber(number)
        self.result.attributes.onlyToCustomer = mark
        if self.context.leaks.isLeak(mark) {
            self.complain(place, .leaked(by: mark), .ineligible, bytes)
        }
    }

    /// RFC 7606 §7.8.
    mutating func decodeCommunities(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard self.isList(of: 4, place, value, bytes) else { return }
        for offset in stride(from: 0, to: value.byteCount, by: 4) {
            switch value.uint32(at: offset) {
            case 0xffff_0006: self.result.attributes.staleMarks.insert(.longLivedStale)
            case 0xffff_0007: self.result.attributes.staleMarks.insert(.notLongLived)
            default: break
            }
        }
        if self.context.keepsCommunities {
            self.result.attributes.communities = Self.words(value)
        }
    }

    /// RFC 7606 §7.10.
    mutating func decodeClusterList(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard self.isForInternalPeers(place, bytes), self.isList(of: 4, place, value, bytes),
            self.context.keepsCommunities
        else { return }
        self.result.attributes.clusterList = Self.words(value)
    }

    /// RFC 7606 §7.14.
    mutating func decodeExtendedCommunities(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard self.isList(of: 8, place, value, bytes), self.context.keepsCommunities else {
            return
        }
        var list: [UInt64] = []
        list.reserveCapacity(value.byteCount / 8)
        for offset in stride(from: 0, to: value.byteCount, by: 8) {
            guard let community = value.uint64(at: offset) else { break }
            list.append(community)
        }
        self.result.attributes.extendedCommunities = list
    }

    /// RFC 7606 §7.15.
    mutating func decodeIPv6ExtendedCommunities(
        _ place: Place, _ value: RawSpan, _ bytes: RawSpan
    ) {
        guard self.isList(of: 20, place, value, bytes), self.context.keepsCommunities else {
            return
        }
        var list: [PathAttributes.IPv6ExtendedCommunity] = []
        list.reserveCapacity(value.byteCount / 20)
        for offset in stride(from: 0, to: value.byteCount, by: 20) {
            guard let type = value.uint16(at: offset),
                let address = value.address(.ipv6, at: offset + 2),
                let local = value.uint16(at: offset + 18)
            else { break }
            list.append(.init(type: type, address: address, local: local))
        }
        self.result.attributes.ipv6ExtendedCommunities = list
    }

    /// RFC 8092 §6. One that stands twice counts once (§3).
    mutating func decodeLargeCommunities(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard self.isList(of: 12, place, value, bytes), self.context.keepsCommunities else {
            return
        }
        var list: [PathAttributes.LargeCommunity] = []
        list.reserveCapacity(value.byteCount / 12)
        var seen: Set<PathAttributes.LargeCommunity> = []
        for offset in stride(from: 0, to: value.byteCount, by: 12) {
            guard let global = value.uint32(at: offset),
                let local1 = value.uint32(at: offset + 4),
                let local2 = value.uint32(at: offset + 8)
            else { break }
            let community = PathAttributes.LargeCommunity(
                global: global, local1: local1, local2: local2)
            if seen.insert(community).inserted { list.append(community) }
        }
        self.result.attributes.largeCommunities = list
    }

    private static func words(_ value: RawSpan) -> [UInt32] {
        var list: [UInt32] = []
        list.reserveCapacity(value.byteCount / 4)
        for offset in stride(from: 0, to: value.byteCount, by: 4) {
            guard let word = value.uint32(at: offset) else { break }
            list.append(word)
        }
        return list
    }
}
