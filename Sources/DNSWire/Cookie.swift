// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing

/// A COOKIE option that is badly formed, which is answered with FORMERR (RFC 7873 §5.2.2).
public enum CookieError: Error, Hashable, Sendable {
    /// A client's part has 8 bytes, a server's part behind it 8 to 32.
    case wrongLength(Int)
}

/// The COOKIE option of a query (RFC 7873 §4). A trivial value.
public struct Cookie: Hashable, Sendable {
    /// The client's part, its first byte lowest.
    public var client: UInt64
    /// The server's part that the client gives back; nil where it gives none, or one of another
    /// form than ours.
    public var server: ServerCookie?
    /// Bytes of the server's part, whatever its form: a byte, as queries are passed on by value.
    public var serverByteCount: UInt8

    public static let clientByteCount = 8
    /// Bytes of both parts in our form.
    public static let byteCount = 24
    /// Bytes of the option in an answer, its code and length included.
    public static let optionByteCount = 4 + Self.byteCount

    @inlinable
    public init(client: UInt64, server: ServerCookie? = nil) {
        self.client = client
        self.server = server
        self.serverByteCount = server == nil ? 0 : 16
    }

    /// Reads a query's option data, all of `range`. Allocates nothing.
    public init(reading bytes: RawSpan, in range: Range<Int>) throws(CookieError) {
        guard range.count == 8 || 16...40 ~= range.count else { throw .wrongLength(range.count) }
        func word(_ offset: Int) -> UInt64 {
            UInt64(
                littleEndian: bytes.unsafeLoadUnaligned(
                    fromByteOffset: range.lowerBound + offset, as: UInt64.self))
        }
        self.init(
            client: word(0),
            server: range.count == Self.byteCount
                ? ServerCookie(head: word(8), hash: word(16)) : nil)
        self.serverByteCount = UInt8(range.count - Self.clientByteCount)
    }
}

/// A server's part in the form that all servers of an address can check (RFC 9018 §4).
///
/// Layout: version `u8` (1), reserved `u8` three times, time `u32` (big-endian Unix seconds), and
/// the hash of these, the client's part and the client's address, 8 bytes.
public struct ServerCookie: Hashable, Sendable {
    /// Version, reserved bytes and time, the first byte lowest.
    public var head: UInt64
    /// The first byte lowest.
    public var hash: UInt64

    @inlinable
    public init(head: UInt64, hash: UInt64) {
        self.head = head
        self.hash = hash
    }

    @inlinable
    public var version: UInt8 { UInt8(truncatingIfNeeded: self.head) }

    /// Unix seconds, modulo 2³².
    @inlinable
    public var time: UInt32 { UInt32(truncatingIfNeeded: self.head >> 32).byteSwapped }

    /// Version 1, made at a time.
    @inlinable
    static func head(time: UInt32) -> UInt64 { UInt64(time.byteSwapped) << 32 | 1 }

    /// Whether the reserved bytes are zero, as in those that we make.
    @inlinable
    var isPlain: Bool { self.head & 0xffff_ffff == 1 }
}

/// What servers of one address share to make and to check cookies (RFC 9018 §5).
///
/// The first secret makes; all check, so that one can be brought in, and another taken out, without
/// a client losing its cookie.
public struct CookieSecrets: Hashable, Sendable {
    /// At most so many.
    public static let limit = 4

    private var keys = InlineKeys()
    public private(set) var count: Int

    /// - Precondition: one to ``limit`` secrets.
    public init(_ secrets: [SipHash.Key]) {
        precondition(1...Self.limit ~= secrets.count, "there are one to four cookie secrets")
        self.count = secrets.count
        for (index, key) in secrets.enumerated() { self.keys[index] = key }
    }

    /// What becomes of a query's cookie.
    public enum Verdict: Hashable, Sendable {
        /// The client gave no server's part: it has not been here before.
        case new
        /// Not ours, not this client's, or too old.
        case bad
        /// The client is where it says it is. The cookie goes back as it came, or a fresh one.
        case good(isFresh: Bool)
    }

    /// Checks what a client at `address` gives back at `time` (Unix seconds).
    ///
    /// An hour after it was made a cookie is no longer good, nor before five minutes from now
    /// (RFC 9018 §4.3).
    public func check(_ cookie: Cookie, from address: IPAddress, at time: UInt32) -> Verdict {
        guard cookie.serverByteCount > 0 else { return .new }
        guard let server = cookie.server, server.version == 1 else { return .bad }
        // Serial arithmetic (RFC 1982), as the field will pass its end in 2106.
        let age = Int32(bitPattern: time &- server.time)
        guard age <= Self.lifetime, age >= -Self.tolerance else { return .bad }
        for index in 0..<self.count
        where Self.hash(cookie.client, server.head, address, self.keys[index]) == server.hash {
            return .good(isFresh: index == 0 && age < Self.renewal && server.isPlain)
        }
        return .bad
    }

    /// Makes the server's part for a client.
    public func make(
        client: UInt64, address: IPAddress, time: UInt32
    ) -> ServerCookie {
        let head = ServerCookie.head(time: time)
        return ServerCookie(
            head: head, hash: Self.hash(client, head, address, self.keys[0]))
    }

    /// Seconds.
    private static var lifetime: Int32 { 3600 }
    private static var tolerance: Int32 { 300 }
    private static var renewal: Int32 { 1800 }

    private static func hash(
        _ client: UInt64, _ head: UInt64, _ address: IPAddress, _ key: SipHash.Key
    ) -> UInt64 {
        var hash = SipHash(key: key)
        hash.append(client)
        hash.append(head)
        guard address.family == .ipv6 else {
            return hash.finish(UInt64(address.ipv4Value.byteSwapped), byteCount: 20)
        }
        hash.append(address.high.byteSwapped)
        hash.append(address.low.byteSwapped)
        return hash.finish(byteCount: 32)
    }
}

/// Room for the secrets in place, so that a query touches no array.
private struct InlineKeys: Hashable, Sendable {
    private static var none: SipHash.Key { SipHash.Key(first: 0, second: 0) }
    private var a = none
    private var b = none
    private var c = none
    private var d = none

    subscript(index: Int) -> SipHash.Key {
        get {
            switch index {
            case 0: self.a
            case 1: self.b
            case 2: self.c
            default: self.d
            }
        }
        set {
            switch index {
            case 0: self.a = newValue
            case 1: self.b = newValue
            case 2: self.c = newValue
            default: self.d = newValue
            }
        }
    }
}

extension CookieSecrets {
    /// Why text is no secret.
    public enum SyntaxError: Error, Hashable, Sendable {
        case none
        case tooMany
        /// A secret is 32 hexadecimal digits.
        case notHexadecimal(line: Int)
    }

    /// Reads secrets, one a line, as other servers' configurations give them: 32 hexadecimal
    /// digits. Blank lines and what follows a `#` count nothing.
    public init(parsing text: some StringProtocol) throws(SyntaxError) {
        var keys: [SipHash.Key] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let digits = line.prefix { $0 != "#" }.filter { !$0.isWhitespace }
            guard !digits.isEmpty else { continue }
            let values = digits.compactMap { $0.isASCII ? $0.hexDigitValue : nil }
            guard digits.count == 32, values.count == 32 else {
                throw .notHexadecimal(line: number + 1)
            }
            func word(_ start: Int) -> UInt64 {
                values[start..<start + 16].reduce(0) { $0 << 4 | UInt64($1) }.byteSwapped
            }
            keys.append(SipHash.Key(first: word(0), second: word(16)))
        }
        guard !keys.isEmpty else { throw .none }
        guard keys.count <= Self.limit else { throw .tooMany }
        self.init(keys)
    }
}

extension CookieSecrets.SyntaxError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .none: "there is no secret in it: 32 hexadecimal digits, one secret a line"
        case .tooMany: "there are more than \(CookieSecrets.limit) secrets in it"
        case .notHexadecimal(let line): "line \(line) is not 32 hexadecimal digits"
        }
    }
}
