// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// What StayRTR 0.5.1 sent on loopback: its answer to a Reset Query, its Serial Notify when its
/// file had changed, and its answer to the Serial Query after that. The file had
/// 2001:db8:1::/48 of AS 64502, 198.51.100.0/24-25 of AS 64501 and 192.0.2.0/24 of AS 64500; then
/// 203.0.113.0/24 of AS 64503 in place of the second.
enum RecordedRTR {
    /// RFC 8210.
    enum Version1 {
        static let session: UInt16 = 0xe02f
        static let everything = hex(
            """
            0103e02f0000000801060000000000200130300020010db80001000000000000000000000000fbf601040000
            0000001401181900c63364000000fbf5010400000000001401181800c00002000000fbf40107e02f00000018
            0000000000000e100000025800001c20
            """)
        static let notify = hex("0100e02f0000000c00000001")
        static let changes = hex(
            """
            0103e02f00000008010400000000001401181800cb0071000000fbf7010400000000001400181900c6336400
            0000fbf50107e02f000000180000000100000e100000025800001c20
            """)
        /// In answer to a serial number that it has forgotten.
        static let reset = hex("0108000000000008")
    }

    /// RFC 6810.
    enum Version0 {
        static let session: UInt16 = 0x7eab
        static let everything = hex(
            """
            00037eab0000000800060000000000200130300020010db80001000000000000000000000000fbf600040000
            0000001401181900c63364000000fbf5000400000000001401181800c00002000000fbf400077eab0000000c
            00000000
            """)
        /// In answer to a Serial Query for another session.
        static let mismatch = hex(
            """
            000a00000000003e000000000000002e53657373696f6e204944206d69736d617463683a20636c69656e7420
            697320646573796e6368726f6e697a656400
            """)
    }
}
