// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteTable

/// A table's file: as it is, with all checksums made right, so that what lies behind them is
/// reached, and as the beginning of one that says it is larger, whose rest is holes. What is taken
/// in leaves a table that can be written again.
func fuzzCheckpoints(_ bytes: UnsafeRawBufferPointer) {
    let file = [UInt8](bytes)
    if let checkpoint = try? Checkpoint(bytes: file) { restore(checkpoint) }
    let whole = sealed(file)
    if let checkpoint = try? Checkpoint(bytes: whole) { restore(checkpoint) }
    let holes = 1 << 20
    let read = readFromHoles(whole, holes)
    require(read <= 2 * whole.count + holes, "no more is read than there is")
}

/// Takes a file for the beginning of a larger one.
///
/// - Returns: How many bytes were read.
private func readFromHoles(_ file: [UInt8], _ holes: Int) -> Int {
    var count = 0
    let checkpoint = try? Checkpoint(byteCount: file.count + holes) { buffer, offset in
        count += buffer.count
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        buffer.copyBytes(from: file[min(offset, file.count)...].prefix(buffer.count))
        return buffer.count
    }
    require(checkpoint == nil, "a file ends with its end")
    return count
}

private func restore(_ checkpoint: Checkpoint) {
    guard let owner = try? TableOwner(limits: TableLimits(prefixes: 4096, classes: 4096)) else {
        return
    }
    defer { owner.shutdown() }
    for (number, name) in ["site 0", "site 1"].enumerated() {
        owner.submit(.defineSite(SiteID(UInt8(number)), name: name))
    }
    for (number, name) in checkpoint.feedNames.prefix(4).enumerated() {
        owner.submit(
            .addFeed(
                FeedDefinition(
                    id: FeedID(UInt16(number)), name: name, site: SiteID(UInt8(number % 2)),
                    order: number)))
    }
    let isGood = (try? owner.beginRestore(checkpoint).run()) != nil
    owner.flushAndWait()
    let counts = try? owner.querySync { $0.counts() }
    require(isGood || counts?.routes == 0, "what is refused leaves nothing behind")
    guard let counts, counts.routes > 0 else { return }
    var again: [UInt8] = []
    let written = try? owner.writeCheckpoint(time: 1) { again.append(contentsOf: $0) }
    require(written?.routes == counts.routes, "all that came in goes out")
    require((try? Checkpoint(bytes: again))?.counts == written, "what is written can be read")
}

/// The same header and blocks, each with the checksum that it should have.
private func sealed(_ file: [UInt8]) -> [UInt8] {
    guard file.count >= CheckpointFormat.headerBytes else { return file }
    var file = file
    func number(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(file[offset + $1]) << UInt32(8 * $1) }
    }
    func store(_ checksum: UInt64, at offset: Int) {
        for byte in 0..<8 {
            file[offset + byte] = UInt8(truncatingIfNeeded: checksum >> (8 * byte))
        }
    }
    store(file[..<24].withUnsafeBytes { XXHash64.hash($0, seed: 0) }, at: 24)
    var (offset, block) = (CheckpointFormat.headerBytes, 0)
    while offset + CheckpointFormat.blockHeaderBytes <= file.count {
        let start = offset + CheckpointFormat.blockHeaderBytes
        let (kind, length) = (number(offset), number(offset + 4))
        guard Int(length) <= file.count - start else { break }
        let end = start + Int(length)
        let seed = CheckpointFormat.seed(block, kind, length)
        store(file[start..<end].withUnsafeBytes { XXHash64.hash($0, seed: seed) }, at: offset + 8)
        (offset, block) = (end, block + 1)
    }
    return file
}
