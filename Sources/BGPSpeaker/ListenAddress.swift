// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// Where the speaker listens: an address and a port, `127.0.0.1:179` or `[::]:179`.
public struct ListenAddress: Sendable, Hashable {
    public var address: IPAddress
    public var port: UInt16

    public init(address: IPAddress, port: UInt16 = 179) {
        self.address = address
        self.port = port
    }

    public enum SyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
        case address(AddressSyntaxError)
        case port(String)

        public var description: String {
            switch self {
            case .address(let error): error.description
            case .port(let text): "'\(text)' is not a port: 0 to 65535"
            }
        }
    }

    /// Reads `192.0.2.1:179`, `[2001:db8::1]:179`, or an address alone, which means port 179.
    public init(parsing text: String) throws(SyntaxError) {
        var host = text[...]
        var port: Substring?
        if text.first == "[", let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if rest.first == ":" {
                port = rest.dropFirst()
            } else if !rest.isEmpty {
                throw .port(String(rest))
            }
        } else if let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        do throws(AddressSyntaxError) {
            self.address = try IPAddress(parsing: host)
        } catch {
            throw .address(error)
        }
        self.port = 179
        if let port {
            guard let number = UInt16(port), port.utf8.allSatisfy({ (48...57).contains($0) })
            else { throw .port(String(port)) }
            self.port = number
        }
    }
}

extension ListenAddress: CustomStringConvertible {
    public var description: String {
        self.address.family == .ipv4
            ? "\(self.address):\(self.port)" : "[\(self.address)]:\(self.port)"
    }
}
