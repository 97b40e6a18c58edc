// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Configuration
import Testing

/// A text that is refused, and all that is said of it.
struct BadInput: CustomTestStringConvertible, Sendable {
    var what: String
    var text: String
    var complaints: [String]

    init(_ what: String, _ text: String, _ complaints: [String]) {
        self.what = what
        self.text = text
        self.complaints = complaints
    }

    var testDescription: String { self.what }
}

@Suite("Complaints about a configuration")
struct BadInputTests {
    @Test(
        "name the place, what was found, what is allowed, and what was probably meant",
        arguments: keys + types + network + monitoring + feeds + rules + zones + dns + later
            + yaml + several)
    func complaints(input: BadInput) {
        #expect(Reading.complaints(input.text) == input.complaints)
    }

    @Test("are at most a hundred, and a count of the others")
    func many() {
        let text = Reading.sites + (0..<250).map { "key\($0): x\n" }.joined()
        let complaints = Reading.complaints(text)
        #expect(complaints.count == 101)
        #expect(complaints.first?.hasPrefix("2:1: unknown key 'key0' in the file") == true)
        #expect(complaints[99].hasPrefix("101:1: unknown key 'key99' in the file"))
        #expect(complaints.last == "0:0: and 150 more")
    }

    @Test("stand in lines as compilers write them")
    func lines() {
        #expect {
            try Configuration.parse(Array("sites: 5\nlog: x\n".utf8), file: "etc/martlet.yaml")
        } throws: { error in
            "\(error)" == """
                etc/martlet.yaml:1:8: sites must be a mapping (key: value), not 5
                etc/martlet.yaml:2:6: log must be a mapping (key: value), not 'x'
                """
        }
    }
}
