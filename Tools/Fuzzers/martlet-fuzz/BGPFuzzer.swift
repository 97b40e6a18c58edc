// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

extension DecodeContext {
    /// Any of the contexts that a session or a file can have, by the bits of two octets.
    fileprivate init(choosing low: UInt8, _ high: UInt8) {
        let families = FamilySet(rawValue: ~(low >> 2) & 3)
        let leaks: [LeakRule] = [.none, .marked, .markedByOther(than: 65001), .none]
        self.init(
            fourOctetAS: low & 1 != 0, isInternal: low & 2 != 0, families: families,
            addPath: FamilySet(rawValue: low >> 4 & 3).intersection(families),
            extendedMessages: high & 1 != 0, extendedNextHop: high & 2 == 0,
            leaks: leaks[Int(high >> 2 & 3)], isConfederation: high & 16 != 0,
            mrt: low & 64 == 0 ? .none : high & 32 == 0 ? .tableDump : .tableDumpV2,
            keepsCommunities: low & 128 == 0)
        self.requiresLocalPreference = high & 64 != 0
    }
}

/// The context that the first two octets choose, and what comes after them.
private func split(
    _ bytes: UnsafeRawBufferPointer
) -> (context: DecodeContext, rest: UnsafeRawBufferPointer)? {
    guard bytes.count >= 2 else { return nil }
    return (
        DecodeContext(choosing: bytes[0], bytes[1]),
        UnsafeRawBufferPointer(rebasing: bytes.dropFirst(2))
    )
}

/// UPDATEs in every decode context: the first two octets choose it. Whatever is not a reset gives
/// its prefixes without an error, each of a family that was agreed.
func fuzzUpdates(_ bytes: UnsafeRawBufferPointer) {
    guard let (context, rest) = split(bytes) else { return }
    let body = rest.bytes
    let update = UpdateDecoding.decode(body, context: context)
    require(update.announced.upperBound <= body.byteCount, "prefixes lie within the message")
    require(update.disposition >= update.attributes.disposition, "the strongest holds")
    check(update.attributes, context, body.byteCount)
    if case .resetSession(let notification) = update.disposition {
        require(notification.code == .update, "an UPDATE's error is told as one")
        return
    }
    var count = 0
    func look(_ pathID: UInt32, _ prefix: IPPrefix) {
        count += 1
        require(IPPrefix(prefix.description) == prefix, "\(prefix) is canonical")
        require(context.families.contains(prefix.address.family), "\(prefix) was agreed")
        require(
            pathID == 0 || context.addPath.contains(prefix.address.family),
            "path identifiers stand where they were agreed")
    }
    do {
        try update.forEachWithdrawn(in: body, context: context, look)
        try update.forEachAnnounced(in: body, context: context, look)
    } catch {
        require(false, "checked prefixes can be read: \(error)")
    }
    require(count <= body.byteCount, "a prefix takes an octet at least")
    require(update.endOfRIB == nil || count == 0, "an End-of-RIB has no prefixes")
}

/// Path attributes alone, as table dumps hold them.
func fuzzAttributes(_ bytes: UnsafeRawBufferPointer) {
    guard let (context, rest) = split(bytes) else { return }
    let decoding = AttributeDecoding.decode(rest.bytes, context: context)
    check(decoding, context, rest.count)
}

/// What must hold of any attributes, `size` octets of them.
private func check(_ decoding: AttributeDecoding, _ context: DecodeContext, _ size: Int) {
    for field in [decoding.mpReach, decoding.mpUnreach] {
        require((field?.prefixes.upperBound ?? 0) <= size, "fields lie within the bytes")
    }
    let attributes = decoding.attributes
    if let path = attributes.asPath {
        require(path.length >= 0 && path.length <= size * 255, "\(path) has a length")
    }
    let kept =
        attributes.communities.count + attributes.extendedCommunities.count
        + attributes.largeCommunities.count + attributes.ipv6ExtendedCommunities.count
        + attributes.clusterList.count
    require(kept <= size / 4, "lists hold no more than there was")
    require(kept == 0 || context.keepsCommunities, "lists are kept where they are wanted")
    require(
        context.isInternal || context.isConfederation || attributes.localPreference == nil,
        "LOCAL_PREF is for those inside")
    require(decoding.complaints.count <= AttributeDecoding.maximumComplaints, "few complaints")
    for complaint in decoding.complaints {
        require(complaint.disposition <= decoding.disposition, "the strongest holds")
        require(complaint.bytes.count <= AttributeComplaint.maximumBytes, "short quotes")
        _ = complaint.description + complaint.hexadecimal
    }
}

/// The other messages: OPEN, NOTIFICATION, ROUTE-REFRESH and the header before them. An OPEN that
/// was understood is understood again when it is written back.
func fuzzOpens(_ bytes: UnsafeRawBufferPointer) {
    let body = bytes.bytes
    if let open = try? OpenMessage(body: body) {
        let written = OutgoingMessage.open(open).encoded()
        written.withUnsafeBytes { whole in
            require(whole.count <= MessageFrame.maximumLength, "an OPEN has 4,096 bytes at most")
            let again = try? OpenMessage(
                body: UnsafeRawBufferPointer(rebasing: whole.dropFirst(19)).bytes)
            require(again?.asNumber == open.asNumber, "the AS number comes back")
            require(again?.identifier == open.identifier, "the identifier comes back")
        }
        _ = String(describing: open) + open.capabilities.details.joined()
    }
    if let notification = Notification(body: body) {
        _ = String(describing: notification) + String(describing: notification.cause)
    }
    _ = try? RouteRefreshMessage(body: body)
    for extended in [false, true] {
        if let frame = try? MessageFrame.read(body, at: 0, extendedMessages: extended) {
            require(frame.length >= MessageFrame.headerLength, "a message holds its header")
        }
    }
}
