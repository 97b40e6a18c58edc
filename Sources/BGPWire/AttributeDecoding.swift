// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// The path attributes of one UPDATE, or of one entry of a table dump, and what is wrong
/// with them.
///
/// Each attribute is cut out by its length before it is parsed, so that an error inside one never
/// misplaces the next; attributes that Martlet doesn't use are passed by length alone. No bytes
/// whatsoever stop the decoding but an overrun: what could be read is in ``attributes``, and
/// ``disposition`` says what RFC 7606 makes of it.
public struct AttributeDecoding: Sendable, Hashable {
    public internal(set) var attributes = PathAttributes()
    /// The strongest of all complaints'.
    public internal(set) var disposition = Disposition.accept
    /// At most ``maximumComplaints`` of them; `complaintCount` has them all.
    public internal(set) var complaints: [AttributeComplaint] = []
    public internal(set) var complaintCount = 0
    public internal(set) var mpReach: NLRIField?
    public internal(set) var mpUnreach: NLRIField?
    /// An attribute other than MP_UNREACH_NLRI stands there (RFC 7606 §5.2).
    public internal(set) var hasAttributesOfRoutes = false

    public static let maximumComplaints = 16

    /// The first of those with the strongest disposition; what merely doesn't belong on the
    /// session counts least.
    public var gravestComplaint: AttributeComplaint? {
        var gravest: AttributeComplaint?
        for complaint in self.complaints {
            guard let held = gravest else {
                gravest = complaint
                continue
            }
            let isGraver =
                complaint.disposition > held.disposition
                || (held.problem == .notExpectedHere
                    && complaint.disposition == held.disposition
                    && complaint.problem != .notExpectedHere)
            if isGraver { gravest = complaint }
        }
        return gravest
    }

    /// Those that are told one by one: errors and leaks, not what merely doesn't belong on the
    /// session.
    public var notableComplaints: [AttributeComplaint] {
        self.complaints.filter {
            $0.problem != .notExpectedHere || $0.disposition > .discardAttribute
        }
    }

    /// Types that stood in the attributes, first occurrences.
    var seen = AttributeTypeSet()

    /// Reads the attributes, all of `bytes`: flags `u8`, type `u8`, a length of `u8`, or `u16`
    /// where the flags say so, and the value (RFC 4271 §4.3).
    ///
    /// What an UPDATE must have besides (RFC 7606 §3 (d)) depends on its prefixes:
    /// ``UpdateDecoding`` looks at that. For a table dump's entry, this is all.
    ///
    /// - Complexity: linear; allocates for the AS path and for kept lists only.
    public static func decode(_ bytes: RawSpan, context: DecodeContext) -> AttributeDecoding {
        var decoder = AttributeDecoder(context: context)
        decoder.decode(bytes)
        return decoder.result
    }

    mutating func complain(
        _ type: AttributeType, _ problem: AttributeComplaint.Problem,
        _ disposition: Disposition, bytes: [UInt8]
    ) {
        self.disposition = max(self.disposition, disposition)
        self.complaintCount += 1
        guard self.complaints.count < Self.maximumComplaints else { return }
        self.complaints.append(
            AttributeComplaint(
                type: type, problem: problem, disposition: disposition,
                bytes: Array(bytes.prefix(AttributeComplaint.maximumBytes))))
    }
}

/// A set of attribute types without a heap object.
struct AttributeTypeSet: Sendable, Hashable {
    private var low: UInt128 = 0
    private var high: UInt128 = 0

    func contains(_ type: AttributeType) -> Bool {
        let bit = UInt128(1) << UInt128(type.rawValue & 127)
        return (type.rawValue < 128 ? self.low : self.high) & bit != 0
    }

    /// - Returns: False where it was in already.
    mutating func insert(_ type: AttributeType) -> Bool {
        guard !self.contains(type) else { return false }
        let bit = UInt128(1) << UInt128(type.rawValue & 127)
        if type.rawValue < 128 { self.low |= bit } else { self.high |= bit }
        return true
    }
}
