// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import DNSWire

/// Takes the PROXY headers off datagrams that come from proxies.
///
/// From a proxy every datagram must have one: what has none, or a malformed one, is dropped. From
/// anybody else nothing is taken off, so that nobody can pass for another by a header.
package struct ProxyGate: ~Copyable {
    private let proxies: PrefixSet

    package init(_ proxies: [IPPrefix]) { self.proxies = PrefixSet(proxies) }

    deinit { self.proxies.deallocate() }

    /// Says whether `peer` is a proxy.
    @inline(__always)
    package func watches(_ peer: IPAddress) -> Bool {
        !self.proxies.isEmpty && self.proxies.contains(peer)
    }

    /// For whom a proxy has passed a datagram on, and where in it the query begins; nil for what is
    /// to be dropped. The client is `proxy` where the header says that the proxy asks by itself.
    package func open(
        _ datagram: RawSpan, from proxy: IPAddress
    ) -> (client: IPAddress, queryOffset: Int)? {
        // Not by `try?`, which puts the error into a box.
        do throws(ProxyHeader.ReadingError) {
            let header = try ProxyHeader(reading: datagram)
            return (header.client ?? proxy, header.byteCount)
        } catch {
            return nil
        }
    }
}
