// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// AS paths of two and of four octets a number, and how they are made one (RFC 6793 §4.2.3).
extension AttributeDecoder {
    /// RFC 7606 §7.2, RFC 7607 §2.
    mutating func decodePath(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        let size = self.context.fourOctetAS ? 4 : 2
        if let problem = Self.problem(
            in: value, size: size, confederation: self.context.allowsConfederationSegments)
        {
            self.complain(place, problem, .treatAsWithdraw, bytes)
            // AS 0 alone leaves a path that can be shown.
            guard problem == .asZero else { return }
        }
        self.result.attributes.asPath =
            size == 4 ? try? ASPath(encoded: value) : Self.widened(value)
    }

    /// RFC 6793 §6: malformed, it is discarded. A peer that speaks four octets must not send it
    /// (§4.1), and so it is passed by then.
    mutating func decodeFourOctetPath(_ place: Place, _ value: RawSpan, _ bytes: RawSpan) {
        guard !self.context.fourOctetAS else {
            // Usual in old table dumps, which have merged it already.
            if self.context.mrt == .none {
                self.complain(place, .notExpectedHere, .discardAttribute, bytes)
            }
            return
        }
        // RFC 6793 §6: one number at least must stand in it.
        let problem =
            value.byteCount == 0
            ? .wrongLength : Self.problem(in: value, size: 4, confederation: true)
        if let problem {
            self.complain(place, problem, .discardAttribute, bytes)
            return
        }
        guard let path = try? ASPath(encoded: value) else { return }
        // RFC 6793 §6: confederation segments must not stand in it, and are left out.
        let segments = path.segments
        guard segments.contains(where: { !$0.kind.isPublic }) else {
            self.as4Path = path
            return
        }
        self.as4Path = ASPath(segments: segments.filter { $0.kind.isPublic })
        self.complain(place, .segmentsLeftOut, .accept, bytes)
    }

    /// RFC 6793 §6.
    mutating func decodeFourOctetAggregator(
        _ place: Place, _ value: RawSpan, _ bytes: RawSpan
    ) {
        guard !self.context.fourOctetAS else {
            if self.context.mrt == .none {
                self.complain(place, .notExpectedHere, .discardAttribute, bytes)
            }
            return
        }
        guard value.byteCount == 8, let number = value.uint32(at: 0),
            let address = value.uint32(at: 4)
        else {
            self.complain(place, .wrongLength, .discardAttribute, bytes)
            return
        }
        guard number != 0 else {
            self.complain(place, .asZero, .discardAttribute, bytes)
            return
        }
        self.as4Aggregator = .init(
            asNumber: ASNumber(number), address: IPAddress(ipv4: address))
    }

    /// Puts the four-octet path and aggregator in place of the two-octet ones (RFC 6793 §4.2.3).
    mutating func mergeFourOctetPath() {
        if let as4Aggregator, let aggregator = self.result.attributes.aggregator {
            // Somebody who speaks two octets aggregated later: both attributes are out of date.
            guard aggregator.asNumber == .trans else { return }
            self.result.attributes.aggregator = as4Aggregator
        }
        guard let as4Path, let path = self.result.attributes.asPath else { return }
        let surplus = path.length - as4Path.length
        guard surplus >= 0 else { return }
        self.result.attributes.asPath = Self.merged(path, as4Path, surplus: surplus)
    }

    /// The path's first hops, `surplus` of them as route selection counts, before `as4Path`.
    /// Confederation segments go along where they lead, or stand next to what goes along.
    private static func merged(_ path: ASPath, _ as4Path: ASPath, surplus: Int) -> ASPath {
        var rest = surplus
        var head: [ASPath.Segment] = []
        for segment in path.segments {
            switch segment.kind {
            case .confederationSequence, .confederationSet:
                head.append(segment)
                continue
            case .set:
                guard rest > 0 else { break }
                head.append(segment)
                rest -= 1
                continue
            case .sequence:
                guard rest > 0 else { break }
                let members = Array(segment.members.prefix(rest))
                head.append(ASPath.Segment(kind: .sequence, members: members))
                rest -= members.count
                if members.count == segment.members.count { continue }
            }
            break
        }
        // One sequence cut in two by the merge is one again, so that equal paths look equal.
        var tail = as4Path.segments
        if let last = head.last, last.kind == .sequence, let first = tail.first,
            first.kind == .sequence, last.members.count + first.members.count <= 255
        {
            head.removeLast()
            tail[0].members = last.members + first.members
        }
        return ASPath(segments: head + tail)
    }

    /// What is wrong with segments of a type `u8`, a count `u8` and AS numbers of `size` bytes.
    private static func problem(
        in value: RawSpan, size: Int, confederation: Bool
    ) -> AttributeComplaint.Problem? {
        var position = 0
        var hasZero = false
        while position < value.byteCount {
            guard let type = value.uint8(at: position), let count = value.uint8(at: position + 1)
            else { return .malformedPath(.truncated) }
            guard let kind = ASPath.SegmentKind(rawValue: type) else {
                return .malformedPath(.unknownSegmentType(type))
            }
            guard count > 0 else { return .malformedPath(.emptySegment) }
            guard kind.isPublic || confederation else {
                return .malformedPath(.confederationSegment)
            }
            let end = position + 2 + size * Int(count)
            guard end <= value.byteCount else { return .malformedPath(.truncated) }
            position += 2
            while position < end {
                let number =
                    size == 4
                    ? value.uint32(at: position) : value.uint16(at: position).map(UInt32.init)
                if number == 0 { hasZero = true }
                position += size
            }
        }
        return hasZero ? .asZero : nil
    }

    /// Segments of two octets a number, which have been checked, in the four-octet form.
    private static func widened(_ value: RawSpan) -> ASPath? {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(2 * value.byteCount)
        var position = 0
        while let type = value.uint8(at: position), let count = value.uint8(at: position + 1) {
            encoded.append(type)
            encoded.append(count)
            position += 2
            for _ in 0..<count {
                guard let number = value.uint16(at: position) else { return nil }
                encoded.append(0)
                encoded.append(0)
                encoded.append(UInt8(truncatingIfNeeded: number >> 8))
                encoded.append(UInt8(truncatingIfNeeded: number))
                position += 2
            }
        }
        return try? ASPath(encoded: encoded.span.bytes)
    }
}

extension ASPath.SegmentKind {
    /// Not of a confederation.
    var isPublic: Bool { self == .sequence || self == .set }
}
