// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import DNSWire

extension Value {
    /// An address, of one family where that is said.
    func address(_ family: AddressFamily? = nil) -> IPAddress? {
        let what = family.map { "an \($0) address" } ?? "an IP address"
        guard let text = self.plainText else {
            self.mustBe(what)
            return nil
        }
        do throws(AddressSyntaxError) {
            let address = try IPAddress(parsing: text)
            guard family == nil || address.family == family else {
                self.mustBe(what)
                return nil
            }
            return address
        } catch {
            self.mustBe(what, hint: ": \(error)")
            return nil
        }
    }

    /// A prefix without a bit set beyond its length.
    func prefix() -> IPPrefix? {
        guard let text = self.plainText else {
            self.mustBe("a prefix, as 192.0.2.0/24")
            return nil
        }
        do throws(AddressSyntaxError) {
            return try IPPrefix(parsing: text)
        } catch {
            self.mustBe("a prefix, as 192.0.2.0/24", hint: ": \(error)")
            return nil
        }
    }

    /// An AS number, asplain or asdot; 0 is none (RFC 7607).
    func asNumber() -> ASNumber? {
        let what = "an AS number from 1 to 4294967295"
        guard let text = self.plainText, let number = try? ASNumber(parsing: text),
            number.rawValue != 0
        else {
            self.mustBe(what)
            return nil
        }
        return number
    }

    /// `192.0.2.1:53` or `[2001:db8::1]:53`.
    func endpoint() -> Configuration.Endpoint? {
        if let text = self.plainText, let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        {
            let host = text[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            let bare = isBracketed ? host.dropFirst().dropLast() : host
            if let address = try? IPAddress(parsing: bare),
                (address.family == .ipv6) == isBracketed
            {
                return Configuration.Endpoint(address: address, port: port)
            }
        }
        self.mustBe("an address and a port, as \"127.0.0.1:7777\" or \"[::1]:7777\"")
        return nil
    }

    /// A domain name; without a last dot it is relative to the origin, if there is one.
    func domainName(relativeTo origin: DomainName? = nil) -> DomainName? {
        guard let text = self.plainText else {
            self.mustBe("a domain name")
            return nil
        }
        do throws(NameError) {
            return try DomainName(parsing: text, relativeTo: origin)
        } catch {
            self.mustBe("a domain name", hint: ": \(error)")
            return nil
        }
    }

    /// Seconds that fit a TTL (RFC 2181 §8).
    func timeToLive() -> UInt32? {
        guard let duration = self.duration(.zero ... .seconds(0x7fff_ffff)) else { return nil }
        guard duration.components.attoseconds == 0 else {
            self.mustBe("whole seconds")
            return nil
        }
        return UInt32(clamping: duration.components.seconds)
    }
}
