// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteFiles

/// Route maps, once with any AS number and once with two sites.
func fuzzRouteMaps(_ bytes: UnsafeRawBufferPointer) {
    bytes.withMemoryRebound(to: UInt8.self) { octets in
        do throws(BadLines) {
            let map = try RouteMap(parsing: octets.span, sites: nil)
            for entry in map.entries {
                require(!map.sites(of: entry).isEmpty, "\(entry.prefix) has a site")
            }
            _ = map.warnings.map(\.description)
        } catch {
            require(error.count > 0, "a refusal names a line")
            _ = String(describing: error)
        }
        _ = try? RouteMap(
            parsing: octets.span, sites: [ASNumber(64600): "near", ASNumber(64601): "far"])
    }
}

/// Location ranges: whatever is read covers exactly what the ranges say.
func fuzzLocations(_ bytes: UnsafeRawBufferPointer) {
    bytes.withMemoryRebound(to: UInt8.self) { octets in
        guard let ranges = try? LocationRanges(parsing: octets.span) else { return }
        var previous: IPPrefix?
        ranges.forEachPrefix { prefix, _ in
            if let previous {
                require(!previous.contains(prefix.address), "\(previous) and \(prefix) are apart")
            }
            previous = prefix
        }
    }
}

/// Files of round trips: whatever is read is in bounds, and a refusal names a line.
func fuzzRoundTrips(_ bytes: UnsafeRawBufferPointer) {
    bytes.withMemoryRebound(to: UInt8.self) { octets in
        do throws(BadLines) {
            let file = try RoundTripFile(parsing: octets.span, sites: ["near", "far"])
            for measurement in file.measurements {
                require(measurement.microseconds <= 60_000_000, "a minute at most")
                require(measurement.site < 2, "one of two sites")
            }
        } catch {
            require(error.count > 0, "a refusal names a line")
            _ = String(describing: error)
        }
    }
}

/// Databases of locations: their ranges are in order and apart.
func fuzzLocationDatabases(_ bytes: UnsafeRawBufferPointer) {
    guard let database = try? LocationDatabase(bytes: [UInt8](bytes)) else { return }
    var previous: IPAddress?
    try? database.forEachRange { first, last, location in
        require(first <= last && first.family == last.family, "\(first) to \(last) is a range")
        require(location.country != nil || location.coordinates != nil, "a range is somewhere")
        if let previous, previous.family == first.family {
            require(previous < first, "\(previous) comes before \(first)")
        }
        previous = last
    }
}

/// Routers' tables: whatever is read has an origin's line and a prefix that is canonical.
func fuzzTextDumps(_ bytes: UnsafeRawBufferPointer) {
    // Compressed ones can stand for gigabytes, and ByteSource has the MRT fuzzer.
    guard !bytes.starts(with: [0x1f, 0x8b]), !bytes.starts(with: Array("BZh".utf8)),
        let source = try? ByteSource(bytes: [UInt8](bytes))
    else { return }
    var reader = TextDumpReader(source)
    var last = 0
    while let route = try? reader.next() {
        require(route.line > last, "line \(route.line) comes after \(last)")
        last = route.line
        let prefix = route.prefix
        require(
            IPPrefix(exactly: prefix.address, length: prefix.length) != nil,
            "\(prefix) is canonical")
        _ = route.asPath.length
    }
    let bad = reader.bad
    require(last > 0 || bad.count > 0 || !bytes.isEmpty, "nothing is no table")
    _ = String(describing: bad)
}

/// MRT files of every kind, plain and compressed, down to the attributes of every entry.
func fuzzMRT(_ bytes: UnsafeRawBufferPointer) {
    // A few bytes of gzip can hold gigabytes: what a record may have is bounded, and so is this.
    guard let source = try? ByteSource(bytes: [UInt8](bytes)) else { return }
    var reader = MRTReader(source, maximumRecordLength: 1 << 16)
    for _ in 0..<1000 {
        do {
            let isThere = try reader.next { record, body in
                try readRecord(record, body)
            }
            guard isThere else { return }
        } catch let error as MRTError {
            _ = String(describing: error)
            return
        } catch {
            _ = String(describing: error)
        }
    }
}

private func readRecord(_ record: MRTRecord, _ body: RawSpan) throws {
    switch record.content {
    case .peerIndexTable:
        let table = try PeerIndexTable(parsing: body)
        require(table.peers.count == table.identifiers.count, "each peer has an identifier")
    case .rib(let form):
        try RIBRecord.forEachEntry(in: body, form: form) { entry in
            _ = AttributeDecoding.decode(
                body.extracting(entry.attributes), context: .tableDumpV2)
        }
    case .tableDump(let family):
        let entry = try TableDumpEntry(parsing: body, family: family)
        _ = AttributeDecoding.decode(body.extracting(entry.attributes), context: .tableDump)
    case .message(let form):
        let message = try BGP4MPMessage(parsing: body, form: form)
        guard message.isUpdate else { return }
        _ = UpdateDecoding.decode(body.extracting(message.body), context: message.context)
    case .stateChange(let fourOctetAS):
        _ = try BGP4MPStateChange(parsing: body, fourOctetAS: fourOctetAS)
    case .notRead:
        break
    }
}
