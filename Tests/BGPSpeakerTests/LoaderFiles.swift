// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Glibc
import RouteFiles
import RouteTable

/// Files for the loaders' tests.
enum LoaderFiles {
    /// MARTLET_DATA, or `../shared/data` beside the package.
    static let data: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_DATA"] {
            return URL(fileURLWithPath: path)
        }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("shared/data")
    }()

    static let isThere: Bool = {
        let isThere = FileManager.default.fileExists(
            atPath: Self.data.appendingPathComponent("mrt/rib").path)
        if !isThere {
            print("Loading real tables is skipped: no mrt/rib in \(Self.data.path)")
        }
        return isThere
    }()

    static func path(_ name: String) -> String { self.data.appendingPathComponent(name).path }

    /// Written files go here, and with the process.
    private static let folder: URL = {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-loaders-\(getpid())")
        atexit { try? FileManager.default.removeItem(at: LoaderFiles.folder) }
        return folder
    }()

    static func write(_ bytes: some Collection<UInt8>, _ name: String) throws -> String {
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true)
        let url = self.folder.appendingPathComponent("\(UUID().uuidString)-\(name)")
        try Data(bytes).write(to: url)
        return url.path
    }

    // MARK: MRT records

    static func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    static func record(_ type: UInt16, _ subtype: UInt16, _ body: [UInt8]) -> [UInt8] {
        self.number(1_400_824_800 as UInt32) + self.number(type) + self.number(subtype)
            + self.number(UInt32(body.count)) + body
    }

    static func peerIndex(_ peers: [MRTPeer]) -> [UInt8] {
        var body: [UInt8] = [192, 0, 2, 1, 0, 0] + self.number(UInt16(peers.count))
        for peer in peers {
            body += [peer.address.family == .ipv6 ? 3 : 2, 10, 0, 0, 1] + peer.address.bytes
            body += self.number(peer.asNumber.rawValue)
        }
        return self.record(13, 1, body)
    }

    static func prefix(_ text: String) -> [UInt8] {
        guard let prefix = IPPrefix(text) else { return [] }
        return [UInt8(prefix.length)] + prefix.address.bytes.prefix((prefix.length + 7) / 8)
    }

    static func attributes(_ path: [UInt32]) -> [UInt8] {
        var value: [UInt8] = [2, UInt8(path.count)]
        for number in path { value += self.number(number) }
        let origin: [UInt8] = [0x40, 1, 1, 0, 0x40, 2, UInt8(value.count)]
        return origin + value + [0x40, 3, 4, 192, 0, 2, 1]
    }

    /// A RIB record; entries with path identifiers make it one of the ADD-PATH subtypes.
    static func rib(
        _ prefix: String, subtype: UInt16? = nil,
        _ entries: [(peer: UInt16, pathID: UInt32?, attributes: [UInt8])]
    ) -> [UInt8] {
        var body: [UInt8] = [0, 0, 0, 0] + self.prefix(prefix)
        body += self.number(UInt16(entries.count))
        for entry in entries {
            body += self.number(entry.peer) + [0, 0, 0, 1]
            if let pathID = entry.pathID { body += self.number(pathID) }
            body += self.number(UInt16(entry.attributes.count)) + entry.attributes
        }
        let plain: UInt16 = prefix.contains(":") ? 4 : 2
        return self.record(
            13, subtype ?? (entries.contains { $0.pathID != nil } ? plain + 6 : plain), body)
    }

    static func update(
        _ peer: MRTPeer, withdrawn: [UInt8] = [], path: [UInt32]? = nil, announced: [UInt8] = [],
        subtype: UInt16 = 4, more: [UInt8] = []
    ) -> [UInt8] {
        let attributes = (path.map { self.attributes($0) } ?? []) + more
        var body = self.number(UInt16(withdrawn.count)) + withdrawn
        body += self.number(UInt16(attributes.count)) + attributes + announced
        let message =
            [UInt8](repeating: 0xff, count: 16) + self.number(UInt16(19 + body.count)) + [2] + body
        return self.record(16, subtype, self.session(peer) + message)
    }

    static func stateChange(_ peer: MRTPeer, _ old: UInt8, _ new: UInt8) -> [UInt8] {
        self.record(16, 5, self.session(peer) + [0, old, 0, new])
    }

    private static func session(_ peer: MRTPeer) -> [UInt8] {
        self.number(peer.asNumber.rawValue) + [0, 0, 0xfd, 0xe8, 0, 0]
            + [0, peer.address.family.rawValue] + peer.address.bytes + peer.address.bytes
    }
}

/// A table with some sites, and one feed of each.
struct LoaderTable {
    let owner: TableOwner

    init(feeds: Int) throws {
        self.owner = try TableOwner(now: { 0 })
        for index in 0..<feeds {
            let site = SiteID(rawValue: UInt8(index))
            self.owner.submit(.defineSite(site, name: "site\(index)"))
            self.owner.submit(
                .addFeed(
                    FeedDefinition(
                        id: FeedID(rawValue: UInt16(index)), name: "feed\(index)", site: site,
                        order: index)))
        }
    }

    /// The distances to an address by site, as readers see them.
    func distances(_ address: String) throws -> [Int: Int] {
        self.owner.flushAndWait()
        let address = try IPAddress(parsing: address)
        var reader = try self.owner.lookup.makeReader()
        return reader.withSnapshot { snapshot in
            let values = snapshot.values(ofClass: snapshot.classID(of: address))
            var distances: [Int: Int] = [:]
            for site in 0..<64 {
                distances[site] = values.distance(of: SiteID(rawValue: UInt8(site)))
            }
            return distances
        }
    }

    /// `prefix path`, a line for each route of a feed.
    func routes(of feed: Int) throws -> [String] {
        let id = FeedID(rawValue: UInt16(feed))
        return try self.owner.querySync { rib in
            rib.routes(after: nil, feed: id, within: nil, limit: 1000).routes.map {
                "\($0.prefix) \($0.attributes.asPath)\($0.isStale ? " stale" : "")"
            }
        }
    }
}
