// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice

extension ConfigurationReader {
    static let choiceKeys = ["measure", "slack", "hop-cost", "ties", "all-down", "weight-length"]

    mutating func readChoice(_ value: Value) {
        guard let mapping = value.mapping(allowed: Self.choiceKeys) else { return }
        self.result.choice = self.choice(mapping, default: self.result.choice)
    }

    /// How sites are chosen, where a mapping says more than the default.
    func choice(
        _ mapping: Mapping, default options: Configuration.ChoiceOptions
    ) -> Configuration.ChoiceOptions {
        var options = options
        options.measure = mapping["measure"]?.choice(of: Measure.self) ?? options.measure
        options.slack = mapping["slack"]?.integer(0...254) ?? options.slack
        options.hopCost = mapping["hop-cost"]?.number(0...10000) ?? options.hopCost
        options.allDown = mapping["all-down"]?.choice(of: AllDown.self) ?? options.allDown
        if let ties = mapping["ties"] {
            options.ties = []
            for element in ties.elements("each of ties") {
                guard let tie = element.choice(of: TieBreak.self) else { continue }
                if options.ties.contains(tie) {
                    element.complain("'\(tie.rawValue)' stands twice in ties")
                } else {
                    options.ties.append(tie)
                }
            }
        }
        if let lengths = mapping["weight-length"]?.mapping(allowed: ["ipv4", "ipv6"]) {
            options.weightLengthIPv4 =
                lengths["ipv4"]?.integer(0...32) ?? options.weightLengthIPv4
            options.weightLengthIPv6 =
                lengths["ipv6"]?.integer(0...128) ?? options.weightLengthIPv6
        }
        return options
    }
}
