// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension RankedSite {
    /// The line of a ranking that programs read, on the console and by DNS: whole numbers, and `-`
    /// for what isn't known. `name` is the site's, without blanks.
    package func line(place: Int, name: String) -> String {
        func text(_ value: Double?) -> String { value.map { "\(Int(rounding: $0))" } ?? "-" }
        let milliseconds = self.roundTrip.map { $0 / .milliseconds(1) }
        return "\(place) \(name) distance=\(self.distance.map(String.init) ?? "-") "
            + "cost=\(text(self.cost)) km=\(text(self.kilometres)) rtt=\(text(milliseconds)) "
            + "state=\(self.state.rawValue) reason=\(self.reason.rawValue)"
    }
}

extension Int {
    /// The nearest whole number; the last that there is for what is beyond.
    package init(rounding value: Double) {
        self = Int(exactly: value.rounded()) ?? (value < 0 ? .min : .max)
    }
}
