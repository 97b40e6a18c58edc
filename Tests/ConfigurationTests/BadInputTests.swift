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
        arguments: keys + types + network + feeds + zones + later + yaml + several)
    func complaints(input: BadInput) {
        #expect(Reading.complaints(input.text) == input.complaints)
    }
}
