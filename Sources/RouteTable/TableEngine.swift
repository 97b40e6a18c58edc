// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

final class TableEngine {
    let lookup: LookupTable
    let image: TableImage
    init(limits: TableLimits, now: @escaping @Sendable () -> Int64) {
        self.image = TableImage(
            generation: 1, ipv4: LookupTrie(nodeCapacity: 1024, large: false),
            ipv6: LookupTrie(nodeCapacity: 1024, large: false),
            classes: ClassTable(sites: 8, capacity: 65536), pins: .empty, locations: .empty)
        self.lookup = LookupTable(first: self.image, readers: limits.readers)
    }
    var hasWork: Bool { false }
    var hasJobs: Bool { false }
    func apply(_ command: PreparedCommand) {}
    func endBatch() {}
    func stepJobs() {}
    func step(isIdle: Bool) {}
    func routes(covering address: IPAddress) -> [SiteRoute] { [] }
    func routes(at prefix: IPPrefix) -> [SiteRoute] { [] }
    func routes(
        after cursor: RouteCursor?, feed: FeedID?, within block: IPPrefix?, limit: Int
    ) -> (routes: [SiteRoute], next: RouteCursor?) { ([], nil) }
    func feedSummaries() -> [FeedSummary] { [] }
    func memory() -> [MemoryPart] { [] }
    func counts() -> TableCounts { TableCounts() }
}
