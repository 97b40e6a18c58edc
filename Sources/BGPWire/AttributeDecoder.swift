// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Reads attributes one after another, each by the rule of RFC 7606 §7 that is its own.
struct AttributeDecoder {
    let context: DecodeContext
    var result = AttributeDecoding()
    /// Held until all have been read: the merge needs AS_PATH and AGGREGATOR too.
    var as4Path: ASPath?
    var as4Aggregator: PathAttributes.Aggregator?

    init(context: DecodeContext) { self.context = context }

    typealias Place = AttributePlace

    mutating func decode(_ bytes: RawSpan) {
        var position = 0
        while position < bytes.byteCount {
            // RFC 7606 §4: what can't be cut out ends the parse; the routes are withdrawn,
            // since the prefixes are found by the total length.
            guard let place = AttributePlace.read(bytes, at: position) else {
                self.overrun(
                    AttributeType(rawValue: bytes.uint8(at: position + 1) ?? 0), bytes,
                    from: position)
                break
            }
            position = place.whole.upperBound
            self.decode(place, in: bytes)
        }
        self.mergeFourOctetPath()
    }

    private mutating func decode(_ place: Place, in bytes: RawSpan) {
        let (type, flags) = (place.type, place.flags)
        if type != .mpUnreach { self.result.hasAttributesOfRoutes = true }
        guard self.result.seen.insert(type) else {
            // RFC 7606 §3 (g): the first one counts, but two fields of prefixes are an error.
            self.complain(
                place, .repeated,
                type == .mpReach || type == .mpUnreach
                    ? .resetSession(Notification.update(.malformedAttributeList))
                    : .discardAttribute, bytes)
            return
        }
        if !type.accepts(flags) {
            guard type.isKnown else {
                // RFC 4271 §6.3, which RFC 7606 leaves as it is.
                self.complain(
                    place, .unrecognizedWellKnown,
                    .resetSession(self.notification(.unrecognizedWellKnown, place, bytes)), bytes)
                return
            }
            self.complain(place, .wrongFlags(flags), .treatAsWithdraw, bytes)
        }
        let value = bytes.extracting(place.value)
        switch type {
        case .origin: self.decodeOrigin(place, value, bytes)
        case .asPath: self.decodePath(place, value, bytes)
        case .nextHop: self.decodeNextHop(place, value, bytes)
        case .multiExitDiscriminator:
            guard let number = self.number(place, value, bytes) else { return }
            self.result.attributes.multiExitDiscriminator = number
        case .localPreference:
            guard self.isForInternalPeers(place, bytes),
                let number = self.number(place, value, bytes)
            else { return }
            self.result.attributes.localPreference = number
        case .atomicAggregate:
            guard value.byteCount == 0 else {
                self.complain(place, .wrongLength, .discardAttribute, bytes)
                return
            }
            self.result.attributes.isAtomicAggregate = true
        case .aggregator: self.decodeAggregator(place, value, bytes)
        case .communities: self.decodeCommunities(place, value, bytes)
        case .originatorID:
            guard self.isForInternalPeers(place, bytes),
                let number = self.number(place, value, bytes)
            else { return }
            self.result.attributes.originatorID = number
        case .clusterList: self.decodeClusterList(place, value, bytes)
        case .mpReach: self.decodeReach(place, value, bytes)
        case .mpUnreach: self.decodeUnreach(place, value, bytes)
        case .extendedCommunities: self.decodeExtendedCommunities(place, value, bytes)
        case .ipv6ExtendedCommunities:
            self.decodeIPv6ExtendedCommunities(place, value, bytes)
        case .as4Path: self.decodeFourOctetPath(place, value, bytes)
        case .as4Aggregator: self.decodeFourOctetAggregator(place, value, bytes)
        case .largeCommunities: self.decodeLargeCommunities(place, value, bytes)
        case .onlyToCustomer: self.decodeOnlyToCustomer(place, value, bytes)
        default: break
        }
    }

    // MARK: Complaints

    mutating func complain(
        _ place: Place, _ problem: AttributeComplaint.Problem, _ disposition: Disposition,
        _ bytes: RawSpan
    ) {
        self.result.complain(
            place.type, problem, disposition,
            bytes: bytes.bytes(
                in: place.whole.prefix(AttributeComplaint.maximumBytes)))
    }

    private mutating func overrun(_ type: AttributeType, _ bytes: RawSpan, from position: Int) {
        self.result.hasAttributesOfRoutes = true
        let end = min(bytes.byteCount, position + AttributeComplaint.maximumBytes)
        self.result.complain(
            type, .overrun, .treatAsWithdraw, bytes: bytes.bytes(in: position..<end))
    }

    /// A NOTIFICATION that quotes the attribute (RFC 4271 §6.3).
    func notification(
        _ subcode: Notification.UpdateSubcode, _ place: Place, _ bytes: RawSpan
    ) -> Notification {
        .update(subcode, data: bytes.bytes(in: place.whole.prefix(Notification.maximumData)))
    }

    // MARK: Shapes that several attributes share

    /// Four bytes, or the routes are withdrawn.
    mutating func number(
        _ place: Place, _ value: RawSpan, _ bytes: RawSpan
    ) -> UInt32? {
        guard value.byteCount == 4, let number = value.uint32(at: 0) else {
            self.complain(place, .wrongLength, .treatAsWithdraw, bytes)
            return nil
        }
        return number
    }

    /// A list that isn't empty, of members of one size, or the routes are withdrawn.
    mutating func isList(
        of size: Int, _ place: Place, _ value: RawSpan, _ bytes: RawSpan
    ) -> Bool {
        guard value.byteCount > 0, value.byteCount % size == 0 else {
            self.complain(place, .wrongLength, .treatAsWithdraw, bytes)
            return false
        }
        return true
    }

    /// RFC 7606 §7.5, §7.9, §7.10: from an external peer the attribute is passed by, whatever is
    /// in it.
    mutating func isForInternalPeers(_ place: Place, _ bytes: RawSpan) -> Bool {
        guard self.context.isInternal || self.context.isConfederation else {
            self.complain(place, .notExpectedHere, .discardAttribute, bytes)
            return false
        }
        return true
    }
}
