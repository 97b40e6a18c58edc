// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import RouteTable

/// Distances on the globe, the same on every machine.
///
/// Rankings must not differ between two instances because their C libraries round a sine
/// differently. So only operations that IEEE 754 rounds exactly are used here (+, −, ×, ÷ and
/// the square root), and the result is cut to whole metres.
package enum GreatCircle {
    /// The mean radius of the earth, in kilometres.
    static let earthRadius = 6371.0

    /// Metres between two places along the surface, by the haversine formula.
    package static func metres(from a: Place, to b: Place) -> Int {
        // hav θ = hav(φ₂ − φ₁) + cos φ₁ cos φ₂ hav(λ₂ − λ₁), with hav x = sin²(x ÷ 2)
        let latitudes = Self.sine((b.latitude - a.latitude) / 2)
        let longitudes = Self.sine((b.longitude - a.longitude) / 2)
        let haversine =
            latitudes * latitudes
            + Self.cosine(a.latitude) * Self.cosine(b.latitude) * (longitudes * longitudes)
        guard haversine.isFinite else { return 0 }
        let chord = min(1, max(0, haversine)).squareRoot()
        return Int((2 * Self.earthRadius * 1000 * Self.arcsine(chord)).rounded())
    }

    /// The sine of an angle in degrees.
    package static func sine(_ degrees: Double) -> Double {
        // Reduced without error to −180 ... 180, then to −90 ... 90.
        var angle = degrees.remainder(dividingBy: 360)
        if angle > 90 { angle = 180 - angle }
        if angle < -90 { angle = -180 - angle }
        if angle > 45 { return Self.cosineSeries(90 - angle) }
        if angle < -45 { return -Self.cosineSeries(90 + angle) }
        return Self.sineSeries(angle)
    }

    static func cosine(_ degrees: Double) -> Double { Self.sine(90 - abs(degrees)) }

    /// For −45 ... 45 degrees; the first term left out is below 10⁻¹⁷.
    private static func sineSeries(_ degrees: Double) -> Double {
        let x = degrees * (Double.pi / 180)
        let square = x * x
        var term = x
        var sum = x
        for n in stride(from: 2.0, through: 16, by: 2) {
            term = -term * square / (n * (n + 1))
            sum += term
        }
        return sum
    }

    /// For −45 ... 45 degrees; the first term left out is below 10⁻¹⁷.
    private static func cosineSeries(_ degrees: Double) -> Double {
        let x = degrees * (Double.pi / 180)
        let square = x * x
        var term = 1.0
        var sum = 1.0
        for n in stride(from: 1.0, through: 17, by: 2) {
            term = -term * square / (n * (n + 1))
            sum += term
        }
        return sum
    }

    /// The arc, in radians, whose sine is `value`, for 0 ... 1.
    package static func arcsine(_ value: Double) -> Double {
        // The half arc's sine, three times, so that the series below ends soon.
        var sine = value
        for _ in 0..<3 {
            sine = sine / (2 * (1 + (1 - sine * sine).squareRoot())).squareRoot()
        }
        let square = sine * sine
        var power = sine
        var sum = sine
        for n in stride(from: 1.0, through: 25, by: 2) {
            power = power * square * n / (n + 1)
            sum += power / (n + 2)
        }
        return 8 * sum
    }
}
