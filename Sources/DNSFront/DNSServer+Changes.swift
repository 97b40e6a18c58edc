// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

extension DNSServer {
    /// Has what is served be as the settings say, as far as that can be had. What is new comes first;
    /// what is there no more ends after it.
    func change(to settings: DNSSettings) async -> [String] {
        let (old, phase, before, front) = self.state.withLock { state in
            (state.settings, state.phase, state.places, state.front)
        }
        guard phase == .serving, let front else {
            return settings.isServed(as: old) ? [] : ["dns listeners change at the next start"]
        }
        var problems: [String] = []
        if settings.idleTimeout != old.idleTimeout
            || settings.maximumConnections != old.maximumConnections
        {
            problems.append("dns: the limits of TCP connections change at the next start")
        }
        var left = before
        var places: [ListeningPlace] = []
        for listener in settings.listeners {
            if let index = left.firstIndex(where: { $0.isPlace(of: listener, settings) }) {
                var place = left.remove(at: index)
                problems += await self.adjust(&place, to: listener, settings, old, front)
                places.append(place)
                continue
            }
            do {
                places.append(try await self.begin(listener, settings, front))
            } catch {
                problems.append("\(error)")
            }
        }
        // What stands in the way of what can't be had stays, too: the port is served by somebody.
        let missing = settings.listeners.count > places.count
        for place in left {
            guard !missing || !settings.listeners.contains(where: place.isNear) else {
                problems.append("dns: \(place.endpoint) is listened on until then")
                places.append(place)
                continue
            }
            for worker in place.workers { worker.retire() }
            await place.stream?.close()
        }
        self.state.withLock { state in
            state.settings = settings
            state.places = places
        }
        return problems
    }

    /// A listener that wasn't there.
    private func begin(
        _ listener: DNSListener, _ settings: DNSSettings, _ front: StreamFront
    ) async throws -> ListeningPlace {
        var none = InheritedSockets()
        var place = try ListeningPlace(listener, settings, &none)
        do {
            for socket in place.udp {
                place.workers.append(try self.startWorker(socket, place, settings))
            }
            place.stream = try await front.start(try place.tcp.copy(), listener)
        } catch {
            for worker in place.workers { worker.retire() }
            throw error
        }
        return place
    }

    /// A listener that stays, with other options, or another number of threads.
    private func adjust(
        _ place: inout ListeningPlace, to listener: DNSListener, _ settings: DNSSettings,
        _ old: DNSSettings, _ front: StreamFront
    ) async -> [String] {
        let isOther = place.listener != listener
        place.listener = listener
        do {
            if isOther || settings.workers != old.workers {
                // Both read the same socket for a moment.
                for index in place.workers.indices {
                    let next = try self.startWorker(place.udp[index], place, settings)
                    place.workers[index].leave()
                    place.workers[index] = next
                }
            }
            while place.udp.count < settings.threads {
                let socket = try place.anotherUDP(settings)
                place.workers.append(try self.startWorker(socket, place, settings))
                place.udp.append(socket)
            }
            while place.udp.count > max(1, settings.threads) {
                place.udp.removeLast()
                place.workers.removeLast().retire()
            }
            if isOther {
                let next = try await front.start(try place.tcp.copy(), listener)
                await place.stream?.close()
                place.stream = next
            }
        } catch {
            return ["dns: \(place.endpoint) is served as before, in part: \(error)"]
        }
        return []
    }
}

extension ListeningPlace {
    /// Whether a listener that can't be had may want this one's port.
    fileprivate func isNear(_ listener: DNSListener) -> Bool {
        listener.endpoint.port == self.endpoint.port && listener.endpoint != self.listener.endpoint
    }
}

extension DNSSettings {
    /// What a thread is made by.
    fileprivate var workers: [Int] {
        [
            self.payloadSize, self.batch, self.pinsThreads ? 1 : 0,
            Int(clamping: self.idleTimeout.components.seconds),
        ]
    }

    /// Whether nothing but rules differs.
    fileprivate func isServed(as other: DNSSettings) -> Bool {
        var same = self
        same.rules = other.rules
        return same == other
    }
}

extension DNSServerError: CustomStringConvertible {
    public var description: String {
        func words(_ code: Int32) -> String { String(cString: strerror(code)) }
        return switch self {
        case .cannotBind(let endpoint, let transport, let code):
            "can't listen for DNS on \(endpoint) by \(transport): \(words(code))"
                + (code == EACCES
                    ? " (a port below 1024 may be had at the start only, as root)" : "")
        case .outOfMemory: "no memory for DNS over UDP"
        case .cannotStartThread(let code): "can't start a thread for DNS: \(words(code))"
        case .cannotCopySocket(let code): "can't copy a socket of DNS: \(words(code))"
        case .notBound: "DNS is served without ports"
        }
    }
}
