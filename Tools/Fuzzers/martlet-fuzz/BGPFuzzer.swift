// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

extension DecodeContext {
    /// Any of the contexts that a session or a file can have, by the bits of one octet.
    fileprivate init(choosing bits: UInt8) {
        self.init(
            fourOctetAS: bits & 1 != 0, isInternal: bits & 2 != 0,
            families: bits & 4 == 0 ? .both : .ipv4,
            addPath: bits & 8 == 0 ? [] : .both,
            extendedMessages: true, isConfederation: bits & 16 != 0,
            mrt: bits & 64 == 0 ? .none : bits & 32 == 0 ? .tableDump : .tableDumpV2,
            keepsCommunities: bits & 128 == 0)
    }
}

/// UPDATEs in every decode context: the first octet chooses it. Whatever is not a reset gives its
/// prefixes without an error.
func fuzzUpdates(_ bytes: UnsafeRawBufferPointer) {
    guard let bits = bytes.first else { return }
    let body = UnsafeRawBufferPointer(rebasing: bytes.dropFirst()).bytes
    let context = DecodeContext(choosing: bits)
    let update = UpdateDecoding.decode(body, context: context)
    require(update.announced.upperBound <= body.byteCount, "prefixes lie within the message")
    if case .resetSession = update.disposition { return }
    var count = 0
    do {
        try update.forEachWithdrawn(in: body, context: context) { _, prefix in
            count += 1
            require(IPPrefix(prefix.description) == prefix, "\(prefix) is canonical")
        }
        try update.forEachAnnounced(in: body, context: context) { _, prefix in
            count += 1
            require(IPPrefix(prefix.description) == prefix, "\(prefix) is canonical")
        }
    } catch {
        require(false, "checked prefixes can be read: \(error)")
    }
    require(count <= body.byteCount, "a prefix takes an octet at least")
    require(update.endOfRIB == nil || count == 0, "an End-of-RIB has no prefixes")
}

/// Path attributes alone, as table dumps hold them.
func fuzzAttributes(_ bytes: UnsafeRawBufferPointer) {
    guard let bits = bytes.first else { return }
    let body = UnsafeRawBufferPointer(rebasing: bytes.dropFirst()).bytes
    let decoding = AttributeDecoding.decode(body, context: DecodeContext(choosing: bits))
    for field in [decoding.mpReach, decoding.mpUnreach] {
        require((field?.prefixes.upperBound ?? 0) <= body.byteCount, "fields lie within the bytes")
    }
    if let path = decoding.attributes.asPath {
        require(path.length >= 0 && path.length <= body.byteCount * 255, "\(path) has a length")
    }
    _ = decoding.complaints.map(String.init(describing:))
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
        _ = String(describing: open)
    }
    if let notification = Notification(body: body) {
        _ = String(describing: notification)
    }
    _ = try? RouteRefreshMessage(body: body)
    for extended in [false, true] {
        if let frame = try? MessageFrame.read(body, at: 0, extendedMessages: extended) {
            require(frame.length >= MessageFrame.headerLength, "a message holds its header")
        }
    }
}
