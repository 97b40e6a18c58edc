// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// A round trip as classes have it: one of 122 steps, each a tenth longer than the one before, from
/// 0.1 ms to 10.2 s. 0 is none.
///
/// Averages wander with every observation; a code changes only when the average has left it by three
/// quarters of a step (a half would be rounding), so that a path whose round trip is steady costs
/// readers nothing.
package struct RoundTripCode: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let none = Self(rawValue: 0)
    package static let last = Self(rawValue: UInt8(Self.microseconds.count - 1))

    /// The step that is nearest to an average, by their ratio.
    ///
    /// - Parameter average: Microseconds, above 0.
    package init(nearest average: Double) {
        var low: UInt8 = 1
        var high = Self.last.rawValue
        while low < high {
            let middle = (low + high) / 2
            if average <= Self.microseconds[Int(middle)] * Self.halfStep {
                high = middle
            } else {
                low = middle + 1
            }
        }
        self.rawValue = low
    }

    /// What follows this code when the average has moved: itself, as long as it is not far off.
    package func following(average: Double) -> Self {
        guard self != .none, self.rawValue <= Self.last.rawValue else {
            return Self(nearest: average)
        }
        let own = Self.microseconds[Int(self.rawValue)]
        if average <= own * Self.slack, average * Self.slack >= own { return self }
        return Self(nearest: average)
    }

    /// What the code stands for, in whole microseconds; nil for none.
    package var duration: Duration? {
        guard self != .none, self.rawValue <= Self.last.rawValue else { return nil }
        return .microseconds(Int(Self.microseconds[Int(self.rawValue)]))
    }

    // Multiplication and square roots alone, which are the same to the last bit everywhere: the
    // same observations give the same answers on every instance.
    private static let step = 1.1
    private static let halfStep = Self.step.squareRoot()
    private static let slack = Self.halfStep * Self.halfStep.squareRoot()

    private static let microseconds: [Double] = {
        var steps = [0.0]
        var value = 100.0
        while value < 10_200_000 {
            steps.append(value.rounded())
            value *= Self.step
        }
        return steps
    }()
}
