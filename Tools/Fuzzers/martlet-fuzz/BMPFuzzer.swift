// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire

/// A router's BMP session: messages one after another, each UPDATE read in the context that the
/// Peer Up before it gave, as the station does.
func fuzzBMP(_ bytes: UnsafeRawBufferPointer) {
    var peers: [BMPPeerHeader.Peer: BMPPeerUp] = [:]
    var position = 0
    do throws(BMPError) {
        while let frame = try BMPFrame.read(bytes.bytes, at: position) {
            require(frame.length >= BMPFrame.headerLength, "a message holds its header")
            require(frame.length <= BMPFrame.maximumLength, "a message has a bound")
            guard frame.length <= bytes.count - position else { return }
            let body = UnsafeRawBufferPointer(
                rebasing: bytes[
                    position + BMPFrame.headerLength..<position + frame.length])
            position += frame.length
            // An error of one message leaves the next one where it is.
            guard let message = try? BMPMessage.decode(frame.type, body: body.bytes) else {
                continue
            }
            take(message, body.bytes, &peers)
        }
    } catch {
        _ = String(describing: error)
    }
}

private func take(
    _ message: BMPMessage, _ body: RawSpan, _ peers: inout [BMPPeerHeader.Peer: BMPPeerUp]
) {
    switch message {
    case .peerUp(let header, let up):
        peers[header.peer] = up
        let context = up.context(of: header, keepsCommunities: true)
        require(
            up.sent.capabilities.list.isEmpty || up.received.capabilities.list.isEmpty
                ? context.addPath == [] : true, "ADD-PATH takes two")
    case .peerDown(let header, let down):
        peers[header.peer] = nil
        _ = String(describing: down)
    case .routeMonitoring(let header, let range):
        require(range.upperBound <= body.byteCount, "the UPDATE lies within the message")
        let update = body.extracting(range)
        let context =
            peers[header.peer]?.context(of: header, keepsCommunities: true)
            ?? DecodeContext(fourOctetAS: true, isInternal: true)
        let decoding = UpdateDecoding.decode(update, context: context)
        if case .resetSession = decoding.disposition { return }
        var count = 0
        do {
            try decoding.forEachWithdrawn(in: update, context: context) { _, _ in count += 1 }
            try decoding.forEachAnnounced(in: update, context: context) { _, _ in count += 1 }
        } catch {
            require(false, "checked prefixes can be read: \(error)")
        }
        require(count <= update.byteCount, "a prefix takes an octet at least")
    case .statistics(_, let list):
        require(list.count * 8 <= body.byteCount, "a statistic takes eight octets at least")
        _ = list.map(String.init(describing:))
    case .initiation(let list), .termination(let list): _ = list.map(String.init(describing:))
    case .routeMirroring, .unknown: break
    }
}
