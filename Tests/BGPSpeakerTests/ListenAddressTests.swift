// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import BGPSpeaker
import Testing

@Suite("Where to listen")
struct ListenAddressTests {
    @Test(
        "texts",
        arguments: [
            ("127.0.0.1:1790", "127.0.0.1:1790"), ("[::]:179", "[::]:179"),
            ("[2001:db8::1]:0", "[2001:db8::1]:0"), ("192.0.2.1", "192.0.2.1:179"),
            ("::1", "[::1]:179"), ("[::1]", "[::1]:179"),
        ])
    func parse(text: String, printed: String) throws {
        #expect(try ListenAddress(parsing: text).description == printed)
    }

    @Test(
        "what is none",
        arguments: [
            "", ":179", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "[::1]179", "[::1",
            "localhost:179", "127.0.0.1:1:2", "[127.0.0.1:5",
        ])
    func refuse(text: String) {
        #expect(throws: ListenAddress.SyntaxError.self) { try ListenAddress(parsing: text) }
    }
}
