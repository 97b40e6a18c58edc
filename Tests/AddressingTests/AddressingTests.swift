// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Testing

@Suite("Addresses as text")
struct AddressTextTests {
    @Test(
        "come back as RFC 5952 wants them",
        arguments: [
            ("1.2.3.4", "1.2.3.4"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
            ("FE80:0:0:0:1:0:0:1", "fe80::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ])
    func roundTrip(text: String, canonical: String) throws {
        #expect(try IPAddress(parsing: text).description == canonical)
    }
}
