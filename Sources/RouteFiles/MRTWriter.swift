// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// What a session's records have in common.
public struct RecordedSession: Hashable, Sendable {
    public var peer: MRTPeer
    /// Our end; the address is that of the unspecified one where it isn't known.
    public var local: MRTPeer

    public init(peer: MRTPeer, local: MRTPeer) {
        self.peer = peer
        self.local = local
    }
}

/// Puts BGP4MP_ET records together (RFC 6396 §3 and §4.4, RFC 8050 §3) from messages as they came.
///
/// It knows no message's contents: what is recorded are the bytes that passed.
public enum MRTWriter {
    /// Appends a message's record: MESSAGE_AS4, or MESSAGE where the session's AS numbers have two
    /// octets; their `_LOCAL` forms for one that we sent; and the forms for ADD-PATH.
    ///
    /// Layout: seconds `u32`, type `u16`, subtype `u16`, length `u32`, microseconds `u32`; AS numbers
    /// of peer and collector, `u32` or `u16` each; interface `u16`; AFI `u16`; both addresses; the
    /// message. AS numbers that two octets don't hold are 23456 (RFC 6793 §9).
    ///
    /// - Parameters:
    ///   - message: A whole BGP message, with marker and header.
    ///   - microseconds: When it passed, since 1970.
    ///   - form: How it is to be read.
    ///   - session: Between whom.
    ///   - output: Gets the record.
    public static func append(
        message: RawSpan, at microseconds: Int64, form: MRTRecord.MessageForm,
        of session: RecordedSession, to output: inout [UInt8]
    ) {
        let subtype: UInt16 =
            switch (form.fourOctetAS, form.isLocal, form.hasPathIdentifiers) {
            case (false, false, false): 1
            case (true, false, false): 4
            case (false, true, false): 6
            case (true, true, false): 7
            case (false, false, true): 8
            case (true, false, true): 9
            case (false, true, true): 10
            case (true, true, true): 11
            }
        let start = Self.begin(
            subtype, at: microseconds, fourOctetAS: form.fourOctetAS, session, &output)
        message.withUnsafeBytes { output.append(contentsOf: $0) }
        Self.end(start, &output)
    }

    /// Appends a change of state, STATE_CHANGE_AS4; states by the numbers of RFC 6396 §4.4.1.
    public static func append(
        stateChangeFrom old: UInt16, to new: UInt16, at microseconds: Int64,
        of session: RecordedSession, to output: inout [UInt8]
    ) {
        let start = Self.begin(5, at: microseconds, fourOctetAS: true, session, &output)
        Self.put(old, &output)
        Self.put(new, &output)
        Self.end(start, &output)
    }

    /// - Returns: Where the record begins.
    private static func begin(
        _ subtype: UInt16, at microseconds: Int64, fourOctetAS: Bool, _ session: RecordedSession,
        _ output: inout [UInt8]
    ) -> Int {
        let start = output.count
        let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        Self.put(UInt32(truncatingIfNeeded: seconds), &output)
        Self.put(MRTType.bgp4mpET.rawValue, &output)
        Self.put(subtype, &output)
        Self.put(0 as UInt32, &output)
        Self.put(UInt32(truncatingIfNeeded: rest), &output)
        for number in [session.peer.asNumber.rawValue, session.local.asNumber.rawValue] {
            if fourOctetAS {
                Self.put(number, &output)
            } else {
                Self.put(UInt16(exactly: number) ?? 23456, &output)
            }
        }
        Self.put(0 as UInt16, &output)
        let family = session.peer.address.family
        Self.put(UInt16(family.rawValue), &output)
        for address in [session.peer.address, session.local.address] {
            // Both are of one family; one that isn't known is all zeros.
            output.append(
                contentsOf: address.family == family
                    ? address.bytes : [UInt8](repeating: 0, count: family.byteCount))
        }
        return start
    }

    /// Fills the length in: what follows it, microseconds included.
    private static func end(_ start: Int, _ output: inout [UInt8]) {
        let length = UInt32(truncatingIfNeeded: output.count - start - 12)
        output.withUnsafeMutableBytes {
            $0.storeBytes(of: length.bigEndian, toByteOffset: start + 8, as: UInt32.self)
        }
    }

    private static func put<T: FixedWidthInteger>(_ value: T, _ output: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { output.append(contentsOf: $0) }
    }
}
