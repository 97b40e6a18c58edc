// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPSpeaker
import Choice
import Configuration
import Logging
import RouteFiles
import RouteTable

/// Pins, locations and measured round trips, read from their files as a whole before any of them counts.
struct StaticLayers: Sendable {
    /// Nil where a reload leaves the layer as it is.
    var pins: [(IPPrefix, [SiteID])]?
    var locations: LocationSet?
    var roundTrips: [RoundTrip]?
    var warnings: [String] = []
    var stamps: [String: FileStamp] = [:]

    /// Reads what the plan names.
    ///
    /// - Throws: ``StartFailure`` with a line for each bad line of the first bad file.
    static func read(
        _ plan: Plan, pins: Bool = true, locations: Bool = true, roundTrips: Bool = true
    ) throws(StartFailure) -> StaticLayers {
        var layers = StaticLayers()
        do {
            if pins {
                layers.note(plan.maps)
                let loaded = try plan.readMaps()
                layers.pins = loaded.pins
                layers.warnings += loaded.warnings
            }
            if locations {
                layers.note(plan.locationFiles)
                layers.locations = try plan.readLocations().places
            }
            if roundTrips {
                layers.note(plan.roundTripFiles)
                layers.roundTrips = try plan.readRoundTrips()
            }
        } catch {
            throw StartFailure(
                lines: "\(error)".split(separator: "\n").map(String.init),
                status: StartFailure.badConfiguration)
        }
        return layers
    }

    private mutating func note(_ paths: [String]) {
        for path in paths { self.stamps[path] = FileStamp(path: path) }
    }

    func log(to logger: Logger) {
        if let pins = self.pins, !pins.isEmpty {
            logger.info("read the route maps", metadata: ["prefixes": "\(pins.count)"])
        }
        if let locations = self.locations, locations.count > 0 {
            logger.info("read the locations", metadata: ["ranges": "\(locations.count)"])
        }
        if let roundTrips = self.roundTrips, !roundTrips.isEmpty {
            logger.info("read the round trips", metadata: ["lines": "\(roundTrips.count)"])
        }
    }

    func submit(to owner: TableOwner) {
        if let pins = self.pins { owner.submitAndWait(.setPins(pins)) }
        if let locations = self.locations { owner.submitAndWait(.setLocations(locations)) }
        if let roundTrips = self.roundTrips { owner.submitAndWait(.setRoundTrips(roundTrips)) }
    }
}
