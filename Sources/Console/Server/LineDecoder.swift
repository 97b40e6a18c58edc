// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Cuts what a connection sends into lines, and keeps telnet's own conversation out of them.
///
/// A line ends in LF, CR LF, CR NUL or CR. Commands of telnet (RFC 854: `IAC` and what follows,
/// sub-negotiations of any length) never reach the line; offers and requests are declined. A line
/// longer than `maximumLength` is dropped to its end and reported once. Whatever arrives, the
/// decoder holds no more than one line of that length.
package struct LineDecoder: Sendable {
    package enum Step: Hashable, Sendable {
        /// `line` holds a line, without its end.
        case line
        /// A line passed the bound; nothing of it is kept.
        case tooLong
        /// The input is used up.
        case needsMore
    }

    private enum State: Hashable, Sendable {
        case data, afterReturn, command, option(UInt8), subnegotiation, subnegotiationCommand
    }

    /// The octets of telnet that mean something here (RFC 854, RFC 857).
    package enum Telnet {
        package static let echo: UInt8 = 1
        static let subnegotiationEnd: UInt8 = 240
        package static let interruptProcess: UInt8 = 244
        static let areYouThere: UInt8 = 246
        static let eraseCharacter: UInt8 = 247
        static let eraseLine: UInt8 = 248
        static let subnegotiation: UInt8 = 250
        package static let will: UInt8 = 251
        package static let wont: UInt8 = 252
        package static let doIt: UInt8 = 253
        package static let dont: UInt8 = 254
        package static let iac: UInt8 = 255
    }

    /// Ctrl-C, from a terminal that leaves it to us: what was typed is forgotten.
    static let interrupt: UInt8 = 3

    package let maximumLength: Int
    /// The line that `step` announced; then what has arrived of the next one.
    package private(set) var line: [UInt8] = []
    /// Answers that telnet asks for, to be sent as they are.
    package var answers: [UInt8] = []
    /// Whether we have said `WILL ECHO`: then the other side's `DO ECHO` is its consent.
    package var offersEcho = false

    private var state = State.data
    private var isTooLong = false
    private var isDelivered = false

    package init(maximumLength: Int) {
        self.maximumLength = maximumLength
        self.line.reserveCapacity(min(maximumLength, 256))
    }

    /// Whether a line has been begun and not ended.
    package var hasPartialLine: Bool { !self.isDelivered && (!self.line.isEmpty || self.isTooLong) }

    /// Whether the next octet begins a line, whatever came before.
    package var isAtLineStart: Bool {
        self.state == .data && (self.isDelivered || (self.line.isEmpty && !self.isTooLong))
    }

    /// Takes octets from `input` up to the end of a line, or all of them.
    package mutating func step(_ input: inout ByteBuffer) -> Step {
        if self.isDelivered {
            self.isDelivered = false
            self.line.removeAll(keepingCapacity: true)
        }
        var used = 0
        let result = input.withUnsafeReadableBytes { bytes -> Step in
            while used < bytes.count {
                if self.state == .data {
                    let start = used
                    while used < bytes.count, !Self.isSpecial(bytes[used]) { used += 1 }
                    self.append(bytes[start..<used])
                    guard used < bytes.count else { break }
                }
                let byte = bytes[used]
                used += 1
                if let step = self.take(byte) { return step }
            }
            return .needsMore
        }
        input.moveReaderIndex(forwardBy: used)
        return result
    }

    /// Ends a line that the other side closed its end without ending.
    package mutating func finish() -> Step {
        guard self.hasPartialLine else { return .needsMore }
        return self.endLine()
    }

    @inline(__always)
    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte < 0x0e && (byte == 0x0a || byte == 0x0d || byte == 0 || byte == Self.interrupt)
            || byte == Telnet.iac
    }

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard !bytes.isEmpty, !self.isTooLong else { return }
        if self.line.count + bytes.count > self.maximumLength {
            self.isTooLong = true
            self.line.removeAll(keepingCapacity: true)
        } else {
            self.line.append(contentsOf: bytes)
        }
    }

    private mutating func append(_ byte: UInt8) {
        guard !self.isTooLong else { return }
        if self.line.count == self.maximumLength {
            self.isTooLong = true
            self.line.removeAll(keepingCapacity: true)
        } else {
            self.line.append(byte)
        }
    }

    private mutating func endLine() -> Step {
        self.isDelivered = true
        defer { self.isTooLong = false }
        return self.isTooLong ? .tooLong : .line
    }

    private mutating func take(_ byte: UInt8) -> Step? {
        switch self.state {
        case .data: return self.takeData(byte)
        case .afterReturn:
            self.state = .data
            return byte == 0x0a || byte == 0 ? nil : self.takeData(byte)
        case .command: self.takeCommand(byte)
        case .option(let verb):
            self.state = .data
            self.decline(verb, byte)
        case .subnegotiation:
            if byte == Telnet.iac { self.state = .subnegotiationCommand }
        case .subnegotiationCommand:
            self.state = byte == Telnet.subnegotiationEnd ? .data : .subnegotiation
        }
        return nil
    }

    private mutating func takeData(_ byte: UInt8) -> Step? {
        switch byte {
        case 0x0a: return self.endLine()
        case 0x0d:
            self.state = .afterReturn
            return self.endLine()
        case 0: return nil
        case Self.interrupt:
            self.forgetLine()
            return nil
        case Telnet.iac:
            self.state = .command
            return nil
        default:
            self.append(byte)
            return nil
        }
    }

    private mutating func takeCommand(_ byte: UInt8) {
        self.state = .data
        switch byte {
        case Telnet.iac: self.append(byte)
        case Telnet.will, Telnet.wont, Telnet.doIt, Telnet.dont: self.state = .option(byte)
        case Telnet.subnegotiation: self.state = .subnegotiation
        case Telnet.interruptProcess, Telnet.eraseLine: self.forgetLine()
        case Telnet.eraseCharacter: _ = self.line.popLast()
        case Telnet.areYouThere: self.answers += Array("\r\n[yes]\r\n".utf8)
        default: break
        }
    }

    private mutating func forgetLine() {
        self.line.removeAll(keepingCapacity: true)
        self.isTooLong = false
    }

    /// Refuses what is asked or offered. An answer to `WONT` or `DONT` would never end.
    private mutating func decline(_ verb: UInt8, _ option: UInt8) {
        switch verb {
        case Telnet.doIt where option == Telnet.echo && self.offersEcho: break
        case Telnet.doIt: self.answers += [Telnet.iac, Telnet.wont, option]
        case Telnet.will: self.answers += [Telnet.iac, Telnet.dont, option]
        default: break
        }
    }
}
