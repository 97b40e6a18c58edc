// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import RouteTable

/// What the layer of round trips means, spelled out naively.
struct ReferenceRoundTrips {
    struct Key: Hashable {
        var prefix: IPPrefix
        var site: SiteID
    }

    struct Entry {
        var average: Float?
        var time: Int64 = 0
        var filed: Double?
        /// The step in use; 0 is the first.
        var step: Int?

        /// Averages count before files.
        var value: Double? { self.average.map(Double.init) ?? self.filed }
    }

    var entries: [Key: Entry] = [:]
    var rules = RoundTripRules()

    static func microseconds(_ step: Int) -> Double { (100 * pow(1.1, Double(step))).rounded() }

    /// The step after another one: that one, as long as the value is within three quarters of it.
    static func step(_ value: Double, after before: Int?) -> Int {
        if let before {
            let centre = Self.microseconds(before)
            if value <= centre * pow(1.1, 0.75), value >= centre / pow(1.1, 0.75) { return before }
        }
        return (0..<122).first { value <= Self.microseconds($0) * pow(1.1, 0.5) } ?? 121
    }

    private mutating func change(_ key: Key, _ body: (inout Entry) -> Void) {
        var entry = self.entries[key] ?? Entry()
        body(&entry)
        guard let value = entry.value else {
            self.entries[key] = nil
            return
        }
        entry.step = Self.step(value, after: entry.step)
        self.entries[key] = entry
    }

    mutating func observe(_ trip: RoundTrip, at now: Int64) {
        let (weight, expiry) = (self.rules.weight, self.rules.expiry)
        self.change(Key(prefix: trip.prefix, site: trip.site)) { entry in
            if now - entry.time > expiry { entry.average = nil }
            let value = Double(trip.microseconds)
            entry.average = Float(entry.value.map { $0 + (value - $0) * weight } ?? value)
            entry.time = now
        }
    }

    mutating func file(_ trips: [RoundTrip]) {
        var said: Set<Key> = []
        for trip in trips {
            let key = Key(prefix: trip.prefix, site: trip.site)
            let isFirst = said.insert(key).inserted
            let (value, weight) = (Double(trip.microseconds), self.rules.weight)
            self.change(key) { entry in
                let before = isFirst ? nil : entry.filed
                entry.filed = before.map { ($0 + (value - $0) * weight).rounded() } ?? value
            }
        }
        for key in self.entries.keys where !said.contains(key) {
            self.change(key) { $0.filed = nil }
        }
    }

    mutating func expire(at now: Int64) {
        for key in self.entries.keys {
            let expiry = self.rules.expiry
            self.change(key) { if now - $0.time > expiry { $0.average = nil } }
        }
    }

    mutating func forget(_ site: SiteID) {
        self.entries = self.entries.filter { $0.key.site != site }
    }

    /// For each site, what the longest of its own prefixes says.
    func values(at address: IPAddress) -> [SiteID: Duration] {
        var best: [SiteID: (length: Int, step: Int)] = [:]
        for (key, entry) in self.entries where key.prefix.contains(address) {
            guard let step = entry.step, (best[key.site]?.length ?? -1) < key.prefix.length else {
                continue
            }
            best[key.site] = (key.prefix.length, step)
        }
        return best.mapValues { .microseconds(Int(Self.microseconds($0.step))) }
    }

    var reports: [RoundTripReport] {
        self.entries.map { key, entry in
            RoundTripReport(
                prefix: key.prefix, site: key.site, average: entry.average.map(Double.init),
                observed: entry.average == nil ? nil : entry.time, filed: entry.filed,
                used: .microseconds(Int(Self.microseconds(entry.step ?? 0))))
        }.sorted { ($0.prefix, $0.site) < ($1.prefix, $1.site) }
    }
}
