// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Choice
import RouteTable

/// A table in plain lists, and scopes of answers by exhaustion: every block around an address is
/// tried, and all answers in it are compared.
struct ScopeReference {
    struct Question: Hashable {
        var policy: Int
        var family: AddressFamily?
        var places: Int
    }

    var routes: [SiteID: [IPPrefix: Int]] = [:]
    var pins: [(prefix: IPPrefix, sites: [SiteID])] = []
    var locations: [LocationRange] = []

    func values(at address: IPAddress) -> ClassValues {
        var distances: [SiteID: Int] = [:]
        for (site, routes) in self.routes {
            let covering = routes.filter { $0.key.contains(address) }
            distances[site] = covering.max { $0.key.length < $1.key.length }?.value
        }
        let pin = self.pins.filter { $0.prefix.contains(address) }
            .max { $0.prefix.length < $1.prefix.length }
        let place = self.locations.first { $0.first <= address && address <= $0.last }
        return ClassValues(distances: distances, pins: pin?.sites ?? [], place: place?.place)
    }

    /// The first address, and every one at which something may change.
    func boundaries(_ family: AddressFamily) -> [IPAddress] {
        let step: UInt128 = family == .ipv4 ? 1 << 96 : 1
        var points: Set<UInt128> = [0]
        func add(_ first: IPAddress, _ last: IPAddress) {
            guard first.family == family else { return }
            points.insert(first.leftAligned)
            let (beyond, overflow) = last.leftAligned.addingReportingOverflow(step)
            if !overflow { points.insert(beyond) }
        }
        for routes in self.routes.values {
            for prefix in routes.keys { add(prefix.address, prefix.last) }
        }
        for (prefix, _) in self.pins { add(prefix.address, prefix.last) }
        for range in self.locations { add(range.first, range.last) }
        return points.sorted().map { IPAddress(family: family, leftAligned: $0) }
    }

    /// One family's addresses, cut where something may change.
    struct Line {
        let starts: [IPAddress]
        let values: [ClassValues]

        var lasts: [IPAddress] {
            let family = self.starts[0].family
            let step: UInt128 = family == .ipv4 ? 1 << 96 : 1
            return self.starts.dropFirst().map {
                IPAddress(family: family, leftAligned: $0.leftAligned - step)
            } + [IPPrefix.all(family).last]
        }

        func part(of address: IPAddress) -> Int {
            var low = 0
            var high = self.starts.count
            while high - low > 1 {
                let middle = (low + high) / 2
                if self.starts[middle] <= address { low = middle } else { high = middle }
            }
            return low
        }
    }

    func line(_ family: AddressFamily) -> Line {
        let starts = self.boundaries(family)
        return Line(starts: starts, values: starts.map { self.values(at: $0) })
    }
}

/// The answers to one question along a line.
///
/// What a hash decides is told apart by the answers to some made-up clients: classes whose
/// answers to all of them are the same are taken to tie the same sites.
struct AnswerLine {
    let line: ScopeReference.Line
    let answers: [Int]
    /// Where a hash decides a place that is used: the length that it sees.
    let hashed: [Int?]

    init(_ line: ScopeReference.Line, _ question: ScopeReference.Question, _ world: World) {
        self.line = line
        let family = line.starts[0].family
        var random = Seeded(state: 77)
        let clients = (0..<48).map { _ in
            IPAddress(
                family: family,
                leftAligned: family == .ipv4
                    ? UInt128(UInt32.random(in: 0 ... .max, using: &random)) << 96
                    : UInt128.random(in: 0 ... .max, using: &random))
        }
        var numbers: [[SiteID]: Int] = [:]
        var known: [ClassValues: (answer: Int, hashed: Int?)] = [:]
        var answers: [Int] = []
        var hashed: [Int?] = []
        for values in line.values {
            if known[values] == nil {
                func ranking(_ client: IPAddress) -> Ranking {
                    world.ranking(
                        policy: question.policy, family: question.family, client: client,
                        values: values)
                }
                let first = ranking(clients[0])
                let isHashed = first.firstHashedPlace.map { $0 < question.places } ?? false
                let key = clients.flatMap {
                    ranking($0).usable.prefix(question.places).map(\.site)
                        + [SiteID(rawValue: 255)]
                }
                let number = numbers[key] ?? numbers.count
                numbers[key] = number
                known[values] = (number, isHashed ? first.hashedLength : nil)
            }
            answers.append(known[values]?.answer ?? 0)
            hashed.append(known[values]?.hashed)
        }
        self.answers = answers
        self.hashed = hashed
    }

    /// The length of the largest block around an address in which all get the same answer.
    func scope(of address: IPAddress) -> Int {
        let part = self.line.part(of: address)
        let own = self.answers[part]
        for length in 0...address.family.width {
            let block = IPPrefix(masking: address, length: length)
            let first = self.line.part(of: block.address)
            let last = self.line.part(of: block.last)
            if (first...last).allSatisfy({ self.answers[$0] == own }) {
                return max(length, self.hashed[part] ?? 0)
            }
        }
        return address.family.width
    }
}
