// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSFront
import DNSWire

/// Master files, which may include themselves and another. What is read prints, reads again and is
/// the same on the wire; a zone of it can be judged, and served if it is good.
func fuzzZones(_ bytes: UnsafeRawBufferPointer) {
    guard let origin = try? DomainName(parsing: "example.com") else { return }
    let whole = [UInt8](bytes)
    do throws(MasterFileError) {
        let limits = MasterFile.Limits(bytes: 1 << 20, files: 20, depth: 5)
        let file = try MasterFile(reading: "zone", origin: origin, limits: limits) { path in
            switch path {
            case "zone": return whole
            case "half": return Array(whole.prefix(whole.count / 2))
            default: throw NoSuchFile()
            }
        }
        var zone = Zone(
            apex: origin, startOfAuthority: StartOfAuthority(host: origin, mailbox: origin),
            nameServers: [])
        for entry in file.entries {
            require(entry.place.line > 0 && entry.place.column > 0, "\(entry) has a place")
            checkRoundTrip(entry.record)
            zone.add(entry.record.owner, timeToLive: entry.record.timeToLive, entry.record.data)
        }
        _ = zone.notes()
        let store = ZoneStore()
        do throws(ZoneError) {
            try store.replace([zone])
            require(zone.problems().isEmpty, "what is served has no problem")
        } catch {
            require(zone.problems().first == error, "the first problem is said")
            _ = error.description
        }
    } catch {
        require(error.count > 0, "a refusal says why")
        require(error.problems.count <= MasterFileError.maximum, "it is bounded")
        _ = error.description
    }
}

private struct NoSuchFile: Error {}

private func checkRoundTrip(_ record: ResourceRecord) {
    let data = record.data
    require(data.wire.count == data.byteCount, "\(data) has its bytes")
    require(RecordData(type: data.type, wire: data.wire) == data, "\(data) is the same on the wire")
    do {
        let again = try RecordData(parsing: data.description, type: data.type)
        require(again.wire == data.wire, "\(data.type) \(data) reads again")
    } catch {
        require(false, "\(data.type) \(data) reads: \(error)")
    }
    let owner = try? DomainName(parsing: record.owner.description)
    require(owner?.wire == record.owner.wire, "\(record.owner) reads again")
}
