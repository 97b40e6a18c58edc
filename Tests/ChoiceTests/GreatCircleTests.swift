// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Choice
import RouteTable
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Kilometres")
struct GreatCircleTests {
    static func place(_ latitude: Double, _ longitude: Double) -> Place {
        Place(latitude: latitude, longitude: longitude, name: "")
    }

    @Test(
        "are those of the sphere",
        arguments: [
            // A quarter and a half of the circumference, across the date line, over the pole.
            (0.0, 0.0, 0.0, 90.0, 10_007_543), (0, 0, 0, 180, 20_015_087),
            (90, 0, -90, 0, 20_015_087), (0, 179, 0, -179, 222_390),
            (89, 0, 89, 180, 222_390), (12.5, 7.25, 12.5, 7.25, 0),
            (0, 0, 0, 360, 0), (90, 12, 90, -150, 0),
            // Nashville airport to Los Angeles airport, a known example of the formula.
            (36.12, -86.67, 33.94, -118.40, 2_886_444),
        ] as [(Double, Double, Double, Double, Int)])
    func known(a: Double, b: Double, c: Double, d: Double, metres: Int) {
        #expect(GreatCircle.metres(from: Self.place(a, b), to: Self.place(c, d)) == metres)
        #expect(GreatCircle.metres(from: Self.place(c, d), to: Self.place(a, b)) == metres)
    }

    @Test("agree with the C library's sines")
    func library() {
        var state: UInt64 = 7
        func random(_ range: Double) -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (Double(state >> 11) * 0x1p-53 * 2 - 1) * range
        }
        for _ in 0..<10_000 {
            let (a, b, c, d) = (random(90), random(180), random(90), random(180))
            let radians = Double.pi / 180
            let haversine =
                pow(sin((c - a) / 2 * radians), 2)
                + cos(a * radians) * cos(c * radians) * pow(sin((d - b) / 2 * radians), 2)
            let expected = 2 * 6_371_000 * asin(haversine.squareRoot())
            let metres = GreatCircle.metres(from: Self.place(a, b), to: Self.place(c, d))
            #expect(abs(Double(metres) - expected) < 0.51)
        }
    }

    @Test("stand any numbers", arguments: [Double.nan, .infinity, -.infinity, 1e300, 720])
    func odd(value: Double) {
        let metres = GreatCircle.metres(from: Self.place(value, 0), to: Self.place(0, value))
        #expect((0...20_015_087).contains(metres))
    }
}
