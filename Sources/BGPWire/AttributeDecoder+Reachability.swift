// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3 and §4, RFC 7606 §7.11 and §7.12). Their
/// prefixes are checked here and read later, by their place.
extension AttributeDecoder {
    /// AFI `u16`, SAFI `u8`, a count `u8` and that many bytes of next hop, a byte that is
    /// ignored, and prefixes to the end.
    mutating func decodeReach(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        if self.context.mrt != .none, self.decodeAbbreviatedReach(value) { return }
        guard value.byteCount >= 5, let number = value.uint16(at: 0),
            let subsequent = value.uint8(at: 2), let count = value.uint8(at: 3),
            value.byteCount >= 5 + Int(count)
        else {
            self.resetSession(place, .wrongLength, bytes)
            return
        }
        let family = self.family(number, subsequent)
        var nextHop: IPAddress?
        if let family {
            // One address, or a global and a link-local one (RFC 2545 §3). IPv4 prefixes may
            // have IPv6 next hops (RFC 8950); unasked for, they are not used, but as their
            // length leaves no doubt where the prefixes are, nothing is to be reset.
            switch (family, count) {
            case (.ipv4, 4): nextHop = value.address(.ipv4, at: 4)
            case (_, 16), (_, 32):
                nextHop = value.address(.ipv6, at: 4)
                if family == .ipv4, !self.context.extendedNextHop {
                    self.complain(place, .notExpectedHere, .treatAsWithdraw, bytes)
                }
            case (.ipv4, _), (.ipv6, _):
                self.resetSession(place, .wrongLength, bytes)
                return
            }
        }
        let start = place.value.lowerBound + 5 + Int(count)
        self.result.mpReach = self.field(
            place, number, subsequent, family, start: start, bytes)
        self.result.mpReach?.nextHop = nextHop
        if self.context.mrt != .none, let nextHop { self.result.attributes.nextHop = nextHop }
    }

    /// AFI `u16`, SAFI `u8`, and prefixes to the end.
    mutating func decodeUnreach(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard let number = value.uint16(at: 0), let subsequent = value.uint8(at: 2) else {
            self.resetSession(place, .wrongLength, bytes)
            return
        }
        self.result.mpUnreach = self.field(
            place, number, subsequent, self.family(number, subsequent),
            start: place.value.lowerBound + 3, bytes)
    }

    /// RFC 6396 §4.3.4: a count `u8` and the next hop, nothing else.
    ///
    /// - Returns: False where the value isn't of that form: the whole attribute has a zero first.
    private mutating func decodeAbbreviatedReach(_ value: RawSpan) -> Bool {
        guard let count = value.uint8(at: 0), value.byteCount == 1 + Int(count) else {
            return false
        }
        switch count {
        case 4: self.result.attributes.nextHop = value.address(.ipv4, at: 1)
        case 16, 32: self.result.attributes.nextHop = value.address(.ipv6, at: 1)
        default: return false
        }
        return true
    }

    private mutating func field(
        _ place: Place, _ number: UInt16, _ subsequent: UInt8, _ family: AddressFamily?,
        start: Int, _ bytes: RawSpan
    ) -> NLRIField {
        let prefixes = start..<place.value.upperBound
        var count = NLRI.Count()
        if let family {
            do throws(NLRI.SyntaxError) {
                count = try NLRI.check(
                    bytes.extracting(prefixes), family: family,
                    addPath: self.context.addPath.contains(family))
            } catch {
                self.resetSession(place, .malformedPrefix(error), bytes)
            }
        }
        var field = NLRIField(
            familyNumber: number, subsequentNumber: subsequent, family: family,
            prefixes: prefixes)
        field.multicastPrefixes = count.multicast
        return field
    }

    private func family(_ number: UInt16, _ subsequent: UInt8) -> AddressFamily? {
        AddressFamily(unicast: number, subsequent).flatMap {
            self.context.families.contains($0) ? $0 : nil
        }
    }

    private mutating func resetSession(
        _ place: Place, _ problem: AttributeComplaint.Problem, _ bytes: RawSpan
    ) {
        self.complain(
            place, problem, .resetSession(self.notification(.optionalAttribute, place, bytes)),
            bytes)
    }
}
