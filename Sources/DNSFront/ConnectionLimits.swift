// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
package import NIOCore

/// How many connections there are, in all and of each client prefix, and which of them must go when
/// there are too many.
///
/// The one that was quiet for longest gives way to a new one, if it was quiet for a while: of the
/// same client when the client has too many, of all when all are too many. Where none was, the new
/// one is turned away. So a client that opens many connections closes its own, and connections that
/// are forgotten don't keep others out. For one event loop; nothing in it looks at a clock.
package final class ConnectionLimits {
    /// The bounds. A client is a /24 or a /56, as where answers are limited.
    package struct Bounds: Hashable, Sendable {
        package var connections: Int
        package var perClient: Int
        /// For how long a connection must have been quiet to give way.
        package var quietTime: TimeAmount
        package var lengthIPv4 = 24
        package var lengthIPv6 = 56

        package init(connections: Int, perClient: Int, quietTime: TimeAmount) {
            self.connections = connections
            self.perClient = perClient
            self.quietTime = quietTime
        }
    }

    /// One connection's place. Places make a list from the one that was quiet for longest on, which
    /// holds them both ways: ``ConnectionLimits/leave(_:)`` takes a place out of it.
    package final class Place {
        package fileprivate(set) var lastQuery: NIODeadline
        fileprivate var client: IPPrefix?
        fileprivate var previous: Place?
        fileprivate var next: Place?
        fileprivate var isTaken = true
        fileprivate let close: () -> Void

        fileprivate init(lastQuery: NIODeadline, close: @escaping () -> Void) {
            self.lastQuery = lastQuery
            self.close = close
        }
    }

    /// Those that are in already stay, whatever is set.
    package var bounds: Bounds
    private var first: Place?
    private var last: Place?
    package private(set) var count = 0
    private var clients: [IPPrefix: [Place]] = [:]

    package init(_ bounds: Bounds) { self.bounds = bounds }

    /// Takes a connection in, before it is known whose it is.
    ///
    /// `close` is called once when the connection must give way; it has left by then. Gives nil where
    /// there is no room.
    package func enter(at now: NIODeadline, close: @escaping () -> Void) -> Place? {
        if self.count >= self.bounds.connections {
            guard let first, self.isQuiet(first, at: now) else { return nil }
            self.evict(first)
        }
        let place = Place(lastQuery: now, close: close)
        self.append(place)
        self.count += 1
        return place
    }

    /// Counts a connection for its client, who may be known only after a while. Once for a place.
    ///
    /// - Returns: false where the client has too many; the place is still to leave.
    package func assign(_ place: Place, to client: IPAddress, at now: NIODeadline) -> Bool {
        guard place.isTaken else { return false }
        let length =
            client.family == .ipv4 ? self.bounds.lengthIPv4 : self.bounds.lengthIPv6
        let prefix = IPPrefix(masking: client, length: length)
        let others = self.clients[prefix] ?? []
        if others.count >= self.bounds.perClient {
            guard let quietest = others.min(by: { $0.lastQuery < $1.lastQuery }),
                self.isQuiet(quietest, at: now)
            else { return false }
            self.evict(quietest)
        }
        place.client = prefix
        self.clients[prefix, default: []].append(place)
        return true
    }

    /// Notes that a query has come.
    package func touch(_ place: Place, at now: NIODeadline) {
        guard place.isTaken else { return }
        place.lastQuery = now
        guard self.last !== place else { return }
        self.unlink(place)
        self.append(place)
    }

    /// Takes a connection out. What has left already stays out.
    package func leave(_ place: Place) {
        guard place.isTaken else { return }
        place.isTaken = false
        self.count -= 1
        self.unlink(place)
        guard let client = place.client else { return }
        self.clients[client]?.removeAll { $0 === place }
        if self.clients[client]?.isEmpty == true { self.clients[client] = nil }
    }

    private func isQuiet(_ place: Place, at now: NIODeadline) -> Bool {
        now - place.lastQuery >= self.bounds.quietTime
    }

    private func evict(_ place: Place) {
        self.leave(place)
        place.close()
    }

    private func append(_ place: Place) {
        place.previous = self.last
        self.last?.next = place
        self.last = place
        if self.first == nil { self.first = place }
    }

    private func unlink(_ place: Place) {
        place.previous?.next = place.next
        place.next?.previous = place.previous
        if self.first === place { self.first = place.next }
        if self.last === place { self.last = place.previous }
        place.previous = nil
        place.next = nil
    }
}
