// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Writes JSON (RFC 8259) on one line. Keys stand in the order in which they are written.
package struct JSONText: Sendable {
    package private(set) var text = ""
    private var needsComma = false

    package init() {}

    package mutating func object(_ body: (inout JSONText) -> Void) {
        self.enclosed("{", "}", body)
    }

    package mutating func array(_ body: (inout JSONText) -> Void) {
        self.enclosed("[", "]", body)
    }

    /// One key of an object; `body` writes its value.
    package mutating func key(_ name: String, _ body: (inout JSONText) -> Void) {
        self.separate()
        self.string(name)
        self.text += ":"
        body(&self)
        self.needsComma = true
    }

    /// One element of an array; `body` writes it.
    package mutating func element(_ body: (inout JSONText) -> Void) {
        self.separate()
        body(&self)
        self.needsComma = true
    }

    package mutating func null() { self.text += "null" }
    package mutating func integer(_ value: Int) { self.text += "\(value)" }
    package mutating func flag(_ value: Bool) { self.text += value ? "true" : "false" }

    /// A number with at most three decimals; `null` for what JSON can't say.
    package mutating func real(_ value: Double) {
        let thousandths = (value * 1000).rounded()
        guard value.isFinite, let whole = Int(exactly: thousandths) else { return self.null() }
        if whole % 1000 == 0 {
            self.integer(whole / 1000)
        } else {
            self.text += "\(thousandths / 1000)"
        }
    }

    package mutating func string(_ value: String) {
        self.text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": self.text += "\\\""
            case "\\": self.text += "\\\\"
            case "\n": self.text += "\\n"
            case "\r": self.text += "\\r"
            case "\t": self.text += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                self.text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: self.text.unicodeScalars.append(scalar)
            }
        }
        self.text += "\""
    }

    private mutating func enclosed(
        _ start: String, _ end: String, _ body: (inout JSONText) -> Void
    ) {
        self.text += start
        self.needsComma = false
        body(&self)
        self.text += end
        self.needsComma = false
    }

    private mutating func separate() {
        if self.needsComma { self.text += "," }
        self.needsComma = false
    }
}
