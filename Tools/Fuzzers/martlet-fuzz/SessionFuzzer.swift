// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSession
import BGPWire

/// Bytes that are taken one after another; zeros once they are used up.
private struct Script {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isOver: Bool { self.position >= self.bytes.count }

    mutating func byte() -> UInt8 {
        defer { self.position += 1 }
        return self.isOver ? 0 : self.bytes[self.position]
    }

    /// A count `u8` and that many bytes.
    mutating func counted() -> [UInt8] {
        let count = Int(self.byte())
        return (0..<count).map { _ in self.byte() }
    }
}

/// A whole session: settings, and events one after another, in the order of the bytes. Whatever
/// comes when, the books are straight: see `SessionAudit`.
func fuzzSessions(_ bytes: UnsafeRawBufferPointer) {
    var script = Script(bytes)
    var settings = SessionSettings(from: &script)
    var audit = SessionAudit(settings, seed: UInt64(script.byte()))
    while !script.isOver {
        let operation = script.byte()
        if operation & 0x3f == 0x3f {
            settings.connect = ConnectMode.allCases[Int(script.byte()) % 3]
            audit.adjust(to: settings)
            continue
        }
        guard let event = SessionEvent(operation, from: &script) else { continue }
        if case .received(_, .open(let open)) = event, open.holdTimeSeconds == 0 {
            audit.mayBeSilent = true
        }
        audit.take(event)
        require(audit.problems.isEmpty, "\(audit.problems)")
    }
    audit.take(.stop(.cease(.administrativeShutdown)))
    require(audit.problems.isEmpty, "\(audit.problems)")
    require(audit.timers.isEmpty, "what is stopped has no timers: \(audit.timers)")
    require(audit.open.isEmpty, "what is stopped has no connections: \(audit.open)")
}

extension SessionSettings {
    fileprivate init(from script: inout Script) {
        let flags = script.byte()
        self.init(
            localAS: 65000, peerAS: flags & 1 == 0 ? 65001 : 65000, identifier: 10,
            connect: ConnectMode.allCases[Int(flags >> 1) % 3],
            families: flags & 8 == 0 ? .both : .ipv6)
        self.gracefulRestart = flags & 16 == 0
        self.enhancedRefresh = flags & 32 == 0
        if flags & 64 != 0 { self.delayOpen = .seconds(5) }
        self.dampPeerOscillations = flags & 128 == 0
        let more = script.byte()
        if more & 1 != 0 { self.role = PeeringRole(rawValue: more >> 5) }
        self.strictRole = more & 2 != 0
        if more & 4 != 0 { self.longLived = .seconds(600) }
        self.addPath = more & 8 == 0 ? [] : .both
        self.isConfederation = more & 16 != 0
    }
}

extension SessionEvent {
    fileprivate init?(_ operation: UInt8, from script: inout Script) {
        let slot: ConnectionSlot = operation & 0x40 == 0 ? .outgoing : .incoming
        switch operation & 0x3f {
        case 0: self = .start
        case 1: self = .stop(.cease(.administrativeShutdown, message: "bye"))
        case 2: self = .suspend(.maximumPrefixes(.ipv4, bound: 1), restartAfter: nil)
        case 3: self = .suspend(.cease(.outOfResources), restartAfter: .seconds(60))
        case 4: self = .connected
        case 5: self = .connectFailed("refused")
        case 6: self = .accepted
        case 7: self = .closed(slot, nil)
        case 8: self = .flushed(slot)
        case 9: self = .requestRefresh(FamilySet(rawValue: script.byte() & 3))
        case 10: self = .malformed(slot, .header(.notSynchronized))
        case 11: self = .malformed(slot, Notification(.update, script.byte()))
        case 12: self = .expired(.connectRetry)
        case 13: self = .expired(.idleHold)
        case 14: self = .expired(.stability)
        case 15: self = .expired(.hold(slot))
        case 16: self = .expired(.keepalive(slot))
        case 17: self = .expired(.sendHold(slot))
        case 18: self = .expired(.delayOpen(slot))
        case 19: self = .expired(.refresh(script.byte() & 1 == 0 ? .ipv4 : .ipv6))
        case 20: self = .received(slot, .update)
        case 21: self = .received(slot, .keepalive)
        case 22...25:
            let body = script.counted()
            guard let message = Notification(body: body.span.bytes) else { return nil }
            self = .received(slot, .notification(message))
        case 26...31:
            // AFI, subtype and SAFI, as a peer would send them.
            let body = [0, script.byte() & 3, script.byte() & 3, 1]
            guard let message = try? RouteRefreshMessage(body: body.span.bytes) else { return nil }
            self = .received(slot, .routeRefresh(message))
        case 32...47:
            // A sound OPEN, with any of the capabilities that we know.
            let flags = script.byte()
            var capabilities: [Capability] = []
            if flags & 1 == 0 { capabilities.append(.multiprotocol(.ipv4)) }
            if flags & 2 == 0 { capabilities.append(.multiprotocol(.ipv6)) }
            if flags & 4 == 0 { capabilities += [.routeRefresh, .enhancedRouteRefresh] }
            if flags & 8 == 0 {
                capabilities.append(Capability(.gracefulRestart, [0x40, 120, 0, 2, 1, 0x80]))
            }
            if flags & 16 == 0 { capabilities.append(.role(PeeringRole(rawValue: flags >> 5))) }
            self = .received(
                slot,
                .open(
                    OpenMessage(
                        asNumber: operation & 1 == 0 ? 65001 : 65000,
                        holdTimeSeconds: operation & 2 == 0 ? 30 : 0,
                        identifier: operation & 4 == 0 ? 20 : 5, capabilities: capabilities)))
        case 48...62:
            // Any OPEN that can be read.
            let body = script.counted()
            do throws(Notification) {
                self = .received(slot, .open(try OpenMessage(body: body.span.bytes)))
            } catch {
                self = .malformed(slot, error)
            }
        default: return nil
        }
    }
}
