// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// The body of one UPDATE (RFC 4271 §4.3), taken apart and judged, with its prefixes left in
/// place: offsets are into the body.
public struct UpdateDecoding: Sendable, Hashable {
    /// IPv4 prefixes that are withdrawn.
    public internal(set) var withdrawn: Range<Int> = 0..<0
    /// The path attributes; `NLRIField.prefixes` count from its lower bound.
    public internal(set) var attributeBytes: Range<Int> = 0..<0
    /// IPv4 prefixes that are announced.
    public internal(set) var announced: Range<Int> = 0..<0
    /// How many of those are multicast prefixes.
    public internal(set) var announcedMulticast = 0
    public internal(set) var attributes = AttributeDecoding()
    /// The strongest disposition of the whole message.
    public internal(set) var disposition = Disposition.accept
    /// The family whose first transfer is complete (RFC 4724 §2), where that is all it says.
    public internal(set) var endOfRIB: AddressFamily?

    public init() {}

    /// Takes the body of an UPDATE apart: a count `u16` and that many bytes of withdrawn
    /// prefixes, a count `u16` and that many bytes of path attributes, and announced prefixes.
    ///
    /// All prefixes have been checked when this returns, but for a session that is to be reset:
    /// ``forEachWithdrawn(in:context:_:)`` and ``forEachAnnounced(in:context:_:)`` don't fail
    /// halfway.
    public static func decode(_ body: RawSpan, context: DecodeContext) -> UpdateDecoding {
        var result = UpdateDecoding()
        guard let withdrawnCount = body.uint16(at: 0),
            let attributeCount = body.uint16(at: 2 + Int(withdrawnCount)),
            4 + Int(withdrawnCount) + Int(attributeCount) <= body.byteCount
        else {
            result.reset(.update(.malformedAttributeList).because(Self.lengths(of: body)))
            return result
        }
        let attributeStart = 4 + Int(withdrawnCount)
        result.withdrawn = 2..<2 + Int(withdrawnCount)
        result.attributeBytes = attributeStart..<attributeStart + Int(attributeCount)
        result.announced = result.attributeBytes.upperBound..<body.byteCount
        result.attributes = AttributeDecoding.decode(
            body.extracting(result.attributeBytes), context: context)
        result.checkMandatory(context)
        result.disposition = result.attributes.disposition
        if context.families.contains(.ipv4) {
            result.check(result.withdrawn, "withdrawn", in: body, context)
            let count = result.check(result.announced, "announced", in: body, context)
            result.announcedMulticast = count.multicast
        }
        result.escalateWithoutPrefixes(context, body)
        result.findEndOfRIB(in: body, context)
        return result
    }

    private mutating func reset(_ notification: Notification) {
        self.disposition = max(self.disposition, .resetSession(notification))
    }

    /// What is wrong with the two counts.
    private static func lengths(of body: RawSpan) -> String {
        guard let withdrawn = body.uint16(at: 0) else {
            return "\(body.byteCount) bytes are no UPDATE"
        }
        guard let attributes = body.uint16(at: 2 + Int(withdrawn)) else {
            return "\(withdrawn) bytes of withdrawn prefixes in a body of \(body.byteCount)"
        }
        return "\(withdrawn) bytes of withdrawn prefixes and \(attributes) of attributes in a body "
            + "of \(body.byteCount)"
    }

    /// How many announced prefixes are to be ignored: those of multicast, which no route can lead
    /// to (RFC 4271 §6.3). ``forEachAnnounced(in:context:_:)`` leaves them out; withdrawing them
    /// does no harm.
    public var ignoredPrefixes: Int {
        self.announcedMulticast + (self.attributes.mpReach?.multicastPrefixes ?? 0)
    }

    /// Whether it holds prefixes that are announced, of any family, be they ignored or not.
    public var announcesPrefixes: Bool {
        !self.announced.isEmpty || !(self.attributes.mpReach?.prefixes.isEmpty ?? true)
    }

    /// RFC 7606 §3 (d). Only what announces something must have them; a field in MP_REACH_NLRI
    /// has its next hop with it (RFC 4760 §3), and LOCAL_PREF is for internal peers (RFC 4271 §5).
    private mutating func checkMandatory(_ context: DecodeContext) {
        guard self.announcesPrefixes else { return }
        let seen = self.attributes.seen
        func miss(_ type: AttributeType) {
            self.attributes.complain(type, .missing, .treatAsWithdraw, bytes: [])
        }
        if !seen.contains(.origin) { miss(.origin) }
        if !seen.contains(.asPath) { miss(.asPath) }
        if !self.announced.isEmpty, !seen.contains(.nextHop) { miss(.nextHop) }
        if context.requiresLocalPreference, !seen.contains(.localPreference) {
            miss(.localPreference)
        }
    }

    /// RFC 7606 §5.3: a field of prefixes that can't be read leaves nothing to be withdrawn.
    @discardableResult
    private mutating func check(
        _ range: Range<Int>, _ name: String, in body: RawSpan, _ context: DecodeContext
    ) -> NLRI.Count {
        let hasPathIDs = context.addPath.contains(.ipv4)
        do throws(NLRI.SyntaxError) {
            return try NLRI.check(body.extracting(range), family: .ipv4, addPath: hasPathIDs)
        } catch {
            self.reset(
                .update(.invalidNetworkField).because(
                    error.words(name, .ipv4, in: body.extracting(range), hasPathIDs: hasPathIDs)))
            return NLRI.Count()
        }
    }

    /// RFC 7606 §5.2: where attributes of routes stand without a route, the prefixes may have
    /// been lost to the very error, and nothing less than a reset is safe.
    private mutating func escalateWithoutPrefixes(_ context: DecodeContext, _ body: RawSpan) {
        guard self.disposition == .treatAsWithdraw, self.attributes.hasAttributesOfRoutes,
            !self.announcesPrefixes
        else { return }
        let complaint = self.attributes.gravestComplaint.map { "\($0.type) \($0.problem)" }
        self.reset(
            .update(.malformedAttributeList).because(
                "\(complaint ?? "a malformed attribute"), and there is no prefix to withdraw"))
    }

    /// RFC 4724 §2: an UPDATE with nothing in it, or with an MP_UNREACH_NLRI without prefixes
    /// and nothing else.
    private mutating func findEndOfRIB(in body: RawSpan, _ context: DecodeContext) {
        guard self.disposition == .accept, self.withdrawn.isEmpty, self.announced.isEmpty else {
            return
        }
        if self.attributeBytes.isEmpty {
            self.endOfRIB = .ipv4
        } else if !self.attributes.hasAttributesOfRoutes,
            let field = self.attributes.mpUnreach, field.prefixes.isEmpty
        {
            self.endOfRIB = field.family
        }
    }

    // MARK: Prefixes

    /// Calls `body` with each prefix that the message withdraws, of families that were
    /// negotiated. Announced ones are not among them, whatever the disposition.
    @inlinable
    public func forEachWithdrawn(
        in bytes: RawSpan, context: DecodeContext,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        if context.families.contains(FamilySet.ipv4), !self.withdrawn.isEmpty {
            try NLRI.forEachPrefix(
                in: bytes.extracting(self.withdrawn), family: .ipv4,
                addPath: context.addPath.contains(FamilySet.ipv4), body)
        }
        try self.forEachPrefix(
            of: self.attributes.mpUnreach, in: bytes, context: context, body)
    }

    /// Calls `body` with each prefix that the message announces, of families that were
    /// negotiated: first those of MP_REACH_NLRI, then the message's own. Those of multicast are
    /// not among them.
    @inlinable
    public func forEachAnnounced(
        in bytes: RawSpan, context: DecodeContext,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        try self.forEachReachable(in: bytes, context: context, body)
        try self.forEachClassic(in: bytes, context: context, body)
    }

    /// Calls `body` with each prefix of MP_REACH_NLRI, whose next hop is `NLRIField.nextHop`; not
    /// with multicast ones.
    @inlinable
    public func forEachReachable(
        in bytes: RawSpan, context: DecodeContext,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        guard let field = self.attributes.mpReach else { return }
        let hasMulticast = field.multicastPrefixes > 0
        try self.forEachPrefix(of: field, in: bytes, context: context) { pathID, prefix in
            if hasMulticast, prefix.isMulticast { return }
            try body(pathID, prefix)
        }
    }

    /// Calls `body` with each IPv4 prefix at the message's end, whose next hop is that of
    /// NEXT_HOP; not with multicast ones.
    @inlinable
    public func forEachClassic(
        in bytes: RawSpan, context: DecodeContext,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        guard context.families.contains(FamilySet.ipv4), !self.announced.isEmpty else { return }
        let hasMulticast = self.announcedMulticast > 0
        try NLRI.forEachPrefix(
            in: bytes.extracting(self.announced), family: .ipv4,
            addPath: context.addPath.contains(FamilySet.ipv4)
        ) { pathID, prefix in
            if hasMulticast, prefix.isMulticast { return }
            try body(pathID, prefix)
        }
    }

    /// Calls `body` with each of the ``ignoredPrefixes``, in the order of
    /// ``forEachAnnounced(in:context:_:)``.
    public func forEachIgnored(
        in bytes: RawSpan, context: DecodeContext,
        _ body: (_ pathID: UInt32, _ prefix: IPPrefix) throws -> Void
    ) throws {
        if let field = self.attributes.mpReach, field.multicastPrefixes > 0 {
            try self.forEachPrefix(of: field, in: bytes, context: context) { pathID, prefix in
                if prefix.isMulticast { try body(pathID, prefix) }
            }
        }
        guard self.announcedMulticast > 0 else { return }
        try NLRI.forEachPrefix(
            in: bytes.extracting(self.announced), family: .ipv4,
            addPath: context.addPath.contains(FamilySet.ipv4)
        ) { pathID, prefix in
            if prefix.isMulticast { try body(pathID, prefix) }
        }
    }

    @inlinable
    func forEachPrefix(
        of field: NLRIField?, in bytes: RawSpan, context: DecodeContext,
        _ body: (UInt32, IPPrefix) throws -> Void
    ) throws {
        guard let field, let family = field.family else { return }
        let attributes = bytes.extracting(self.attributeBytes)
        try NLRI.forEachPrefix(
            in: attributes.extracting(field.prefixes), family: family,
            addPath: context.addPath.contains(family), body)
    }
}
