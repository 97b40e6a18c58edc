// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import OriginValidation

/// What two RPKI caches send, and what happens to their connections: whole messages are taken as
/// they stand, an octet that begins none chooses an event. The payloads stay in order whatever
/// comes, and who hangs up says nothing more.
func fuzzRTR(_ bytes: UnsafeRawBufferPointer) {
    let limit = 64
    let caches = [RTRCache(address: IPAddress(ipv4: 1)), RTRCache(address: IPAddress(ipv4: 2))]
    var group = RTRGroup(caches: caches, settings: RTRSettings(maximumPayloads: limit))
    var cache = caches[0]
    _ = group.start()
    _ = group.handle(.connected, of: cache)
    var position = 0
    while position < bytes.count {
        let event: RTREvent
        do throws(RTRFault) {
            if let frame = try RTRFrame.read(bytes.bytes, at: position) {
                position += frame.length
                event = .received(frame)
            } else {
                event = RTREvent(choosing: bytes[position])
                position += 1
            }
        } catch {
            // What follows can't be told apart any more, but for a fuzzer it goes on.
            event = bytes[position] < 2 ? .malformed(error) : RTREvent(choosing: bytes[position])
            position += 1
        }
        if case .stop = event { cache = cache == caches[0] ? caches[1] : caches[0] }
        var hasClosed: Set<RTRCache> = []
        for action in group.handle(event, of: cache) {
            guard case .perform(let cache, let action) = action else { continue }
            switch action {
            case .close: hasClosed.insert(cache)
            case .connect: hasClosed.remove(cache)
            case .send(let request, let version):
                require(!hasClosed.contains(cache), "\(cache) has hung up")
                require(
                    request.encoded(version: version).count < 512, "a request is a short message")
            default: break
            }
        }
        guard let table = group.table else { continue }
        require(table.count <= limit, "there are \(limit) payloads at most")
        let payloads = Array(table)
        require(
            zip(payloads, payloads.dropFirst()).allSatisfy { $0 < $1 }, "payloads are in order")
        if let payload = payloads.last {
            require(
                table.covering(payload.prefix).contains(payload), "\(payload) covers its prefix")
        }
    }
}

extension RTREvent {
    fileprivate init(choosing octet: UInt8) {
        switch octet & 15 {
        case 2: self = .closed("closed")
        case 3: self = .stop
        case 4: self = .retire
        case 5: self = .start
        case 6: self = .expired(.refresh)
        case 7: self = .expired(.retry)
        case 8: self = .expired(.answer)
        case 9: self = .expired(.expire)
        default: self = .connected
        }
    }
}
