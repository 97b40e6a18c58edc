// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import RouteTable

extension ConfigurationReader {
    /// `off`, or when what a feed loses is not believed; what isn't said is as in `rules`.
    func guardRules(_ value: Value, default rules: FeedGuardRules?) -> FeedGuardRules? {
        if value.plainText == "off" { return nil }
        guard value.isMapping else {
            value.mustBe("off, or a mapping with share, window and settle")
            return rules
        }
        guard let mapping = value.mapping(allowed: ["share", "window", "settle"]) else {
            return rules
        }
        var rules = rules ?? FeedGuardRules()
        rules.share = mapping["share"]?.number(FeedGuardRules.shares) ?? rules.share
        rules.window = self.seconds(mapping["window"], FeedGuardRules.windows) ?? rules.window
        rules.settle =
            self.seconds(mapping["settle"], FeedGuardRules.settleTimes) ?? rules.settle
        return rules
    }

    /// `off`, or when a prefix flips too often.
    func flipHold(_ value: Value) -> FlipHoldRules? {
        if value.plainText == "off" { return nil }
        guard value.isMapping else {
            value.mustBe("off, or a mapping with flips, within and calm")
            return nil
        }
        guard let mapping = value.mapping(allowed: ["flips", "within", "calm"]) else { return nil }
        var rules = FlipHoldRules()
        rules.flips = mapping["flips"]?.integer(FlipHoldRules.flipCounts) ?? rules.flips
        rules.within = self.seconds(mapping["within"], FlipHoldRules.windows) ?? rules.within
        rules.calm = self.seconds(mapping["calm"], FlipHoldRules.calmTimes) ?? rules.calm
        return rules
    }

    /// A time of whole seconds.
    private func seconds(_ value: Value?, _ range: ClosedRange<Int>) -> Int? {
        guard let value,
            let duration = value.duration(
                .seconds(range.lowerBound) ... .seconds(range.upperBound))
        else { return nil }
        let (seconds, attoseconds) = duration.components
        guard attoseconds == 0 else {
            value.mustBe("whole seconds")
            return nil
        }
        return Int(seconds)
    }
}

extension FeedGuardRules {
    /// What `martlet check` and a reload say of a guard.
    static func words(_ rules: FeedGuardRules?) -> String {
        guard let rules else { return "off" }
        return "\(rules.share) in \(Value.words(.seconds(rules.window))), settles in "
            + Value.words(.seconds(rules.settle))
    }
}

extension FlipHoldRules {
    /// What `martlet check` and a reload say of a hold.
    static func words(_ rules: FlipHoldRules?) -> String {
        guard let rules else { return "off" }
        let within = Value.words(.seconds(rules.within))
        let calm = Value.words(.seconds(rules.calm))
        return "after \(rules.flips) flips in \(within), until calm for \(calm)"
    }
}
