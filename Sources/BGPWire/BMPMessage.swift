// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What a router tells a monitoring station (RFC 7854 §4), with BGP messages left in place: offsets
/// are into the message's body, which begins after the common header.
public enum BMPMessage: Sendable, Hashable {
    case initiation([BMPInformation])
    case termination([BMPInformation])
    case peerUp(BMPPeerHeader, BMPPeerUp)
    case peerDown(BMPPeerHeader, BMPPeerDown)
    /// `update` is an UPDATE's body, its header taken off.
    case routeMonitoring(BMPPeerHeader, update: Range<Int>)
    case statistics(BMPPeerHeader, [BMPStatistic])
    /// Copies of messages as they came (RFC 7854 §4.7): only how many were lost matters here.
    case routeMirroring(BMPPeerHeader, lost: Int)
    /// A type that isn't known, to be passed by.
    case unknown(BMPMessageType)

    /// Reads a message's body.
    ///
    /// - Throws: ``BMPError`` of this message alone: the next one can be read all the same.
    public static func decode(
        _ type: BMPMessageType, body: RawSpan
    ) throws(BMPError) -> BMPMessage {
        switch type {
        case .initiation:
            return .initiation(try BMPInformation.list(body, from: 0, of: type))
        case .termination:
            return .termination(try BMPInformation.list(body, from: 0, of: type))
        case .routeMonitoring, .statistics, .peerDown, .peerUp, .routeMirroring: break
        default: return .unknown(type)
        }
        guard let header = BMPPeerHeader(body, at: 0) else {
            throw .truncated(type, need: BMPPeerHeader.length, have: body.byteCount)
        }
        let start = BMPPeerHeader.length
        switch type {
        case .routeMonitoring:
            let whole = try Self.innerMessage(.update, body, at: start, of: type)
            guard whole.upperBound == body.byteCount else {
                throw .truncated(type, need: whole.upperBound, have: body.byteCount)
            }
            return .routeMonitoring(
                header, update: whole.lowerBound + MessageFrame.headerLength..<whole.upperBound)
        case .statistics: return .statistics(header, try BMPStatistic.list(body, from: start))
        case .peerDown: return .peerDown(header, try BMPPeerDown(body, at: start))
        case .peerUp: return .peerUp(header, try BMPPeerUp(body, at: start))
        default: return .routeMirroring(header, lost: try Self.lost(body, from: start))
        }
    }

    /// The place of a whole BGP message of a type.
    static func innerMessage(
        _ wanted: MessageType, _ body: RawSpan, at offset: Int, of type: BMPMessageType
    ) throws(BMPError) -> Range<Int> {
        let frame: MessageFrame?
        do throws(Notification) {
            frame = try MessageFrame.read(body, at: offset, extendedMessages: true)
        } catch {
            throw .innerMessage(type, error)
        }
        guard let frame, frame.length <= body.byteCount - offset else {
            throw .truncated(
                type, need: offset + (frame?.length ?? MessageFrame.headerLength),
                have: body.byteCount)
        }
        guard frame.type == wanted else {
            throw .innerMessage(type, .header(.badType, data: [frame.type.rawValue]))
        }
        return offset..<offset + frame.length
    }

    /// Messages that a Route Mirroring says were lost: code 1 of its information TLVs.
    private static func lost(_ body: RawSpan, from start: Int) throws(BMPError) -> Int {
        var lost = 0
        try BMPField.forEach(body, from: start, of: .routeMirroring) { type, value in
            if type == 1, body.uint16(at: value.lowerBound) == 1 { lost += 1 }
        }
        return lost
    }
}

/// A type `u16`, a length `u16` and a value: what most BMP messages end with.
enum BMPField {
    static func forEach(
        _ body: RawSpan, from start: Int, of message: BMPMessageType,
        _ take: (_ type: UInt16, _ value: Range<Int>) -> Void
    ) throws(BMPError) {
        var position = start
        while position < body.byteCount {
            guard let type = body.uint16(at: position), let length = body.uint16(at: position + 2)
            else { throw .truncated(message, need: position + 4, have: body.byteCount) }
            let end = position + 4 + Int(length)
            guard end <= body.byteCount else {
                throw .truncated(message, need: end, have: body.byteCount)
            }
            take(type, position + 4..<end)
            position = end
        }
    }
}
