// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// AS paths as routers print them: sequences as numbers, sets as `{1,2}`, confederation sequences
/// as `(1 2)` and confederation sets as `[1,2]`.
enum ASPathText {
    /// Reads a path, all of `bytes`: blanks and commas separate, numbers are asplain or asdot.
    ///
    /// - Throws: `AddressSyntaxError`: a byte that can't stand there, or a number that is too large.
    static func parse(_ bytes: Span<UInt8>) throws(AddressSyntaxError) -> ASPath {
        var segments: [ASPath.Segment] = []
        var kind = ASPath.SegmentKind.sequence
        var members: [ASNumber] = []
        func take() {
            guard !members.isEmpty else { return }
            segments.append(ASPath.Segment(kind: kind, members: members))
            members.removeAll(keepingCapacity: true)
        }
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            switch UnicodeScalar(byte) {
            case " ", ",": position += 1
            case "{", "(", "[":
                guard kind == .sequence else {
                    throw AddressSyntaxError(.unexpectedCharacter(byte), offset: position)
                }
                take()
                kind =
                    byte == UInt8(ascii: "{")
                    ? .set
                    : byte == UInt8(ascii: "(") ? .confederationSequence : .confederationSet
                position += 1
            case "}", ")", "]":
                guard kind == Self.kind(endedBy: byte) else {
                    throw AddressSyntaxError(.unexpectedCharacter(byte), offset: position)
                }
                take()
                kind = .sequence
                position += 1
            default:
                let start = position
                while position < bytes.count, Self.isOfNumber(bytes[position]) { position += 1 }
                guard position > start else {
                    throw AddressSyntaxError(.unexpectedCharacter(byte), offset: position)
                }
                do throws(AddressSyntaxError) {
                    members.append(try ASNumber(parsing: bytes.extracting(start..<position)))
                } catch {
                    throw AddressSyntaxError(error.reason, offset: start + error.offset)
                }
            }
        }
        guard kind == .sequence else { throw AddressSyntaxError(.incomplete, offset: position) }
        take()
        return ASPath(segments: segments)
    }

    private static func kind(endedBy byte: UInt8) -> ASPath.SegmentKind {
        switch UnicodeScalar(byte) {
        case "}": .set
        case ")": .confederationSequence
        default: .confederationSet
        }
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte &- UInt8(ascii: "0") < 10
    }

    /// Whether a line is more of a path and nothing else: it begins with a number or a bracket, not
    /// with an address.
    static func isRest(_ line: Span<UInt8>) -> Bool {
        let first = TextLines.field(of: line, in: 0..<line.count)
        guard !first.isEmpty else { return false }
        var dots = 0
        for position in first where line[position] == UInt8(ascii: ".") { dots += 1 }
        guard dots <= 1 else { return false }
        for position in line.indices {
            switch UnicodeScalar(line[position]) {
            case "0"..."9", " ", ",", ".", "{", "}", "(", ")", "[", "]", "i", "e", "?": break
            default: return false
            }
        }
        return true
    }
}
