// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import RouteFiles
import Testing

/// What is in a file, counted.
struct MRTCounts: Hashable {
    var indexPeers = 0
    var peersWithRoutes = 0
    var prefixesIPv4 = 0
    var prefixesIPv6 = 0
    var routes = 0
    var messages: [UInt8: Int] = [:]
    var stateChanges = 0
    var announced = 0
    var withdrawn = 0
    var peers = 0
    var malformed = 0
    var notRead = 0

    init(_ path: String) throws {
        var reader = try MRTReader(path: path)
        var index: [MRTPeer] = []
        var withRoutes: Set<MRTPeer> = []
        var sessions: Set<MRTPeer> = []
        var prefixes: Set<IPPrefix> = []
        try reader.forEachRecord { record, bytes in
            switch record.content {
            case .peerIndexTable:
                index = try PeerIndexTable(parsing: bytes).peers
                self.indexPeers += index.count
            case .rib(let form):
                try RIBRecord.forEachEntry(in: bytes, form: form) { entry in
                    self.routes += 1
                    withRoutes.insert(index[Int(entry.peerIndex)])
                    prefixes.insert(entry.prefix)
                    self.judge(
                        AttributeDecoding.decode(
                            bytes.extracting(entry.attributes), context: .tableDumpV2
                        ).disposition)
                }
            case .tableDump(let family):
                let entry = try TableDumpEntry(parsing: bytes, family: family)
                self.routes += 1
                withRoutes.insert(entry.peer)
                prefixes.insert(entry.prefix)
                self.judge(
                    AttributeDecoding.decode(
                        bytes.extracting(entry.attributes), context: .tableDump
                    ).disposition)
            case .message(let form):
                let message = try BGP4MPMessage(parsing: bytes, form: form)
                sessions.insert(message.peer)
                self.messages[message.messageType, default: 0] += 1
                guard message.isUpdate else { break }
                let body = bytes.extracting(message.body)
                let update = UpdateDecoding.decode(body, context: message.context)
                self.judge(update.disposition)
                try update.forEachAnnounced(in: body, context: message.context) { _, _ in
                    self.announced += 1
                }
                try update.forEachWithdrawn(in: body, context: message.context) { _, _ in
                    self.withdrawn += 1
                }
            case .stateChange(let fourOctetAS):
                let change = try BGP4MPStateChange(parsing: bytes, fourOctetAS: fourOctetAS)
                sessions.insert(change.peer)
                self.stateChanges += 1
            case .notRead: self.notRead += 1
            }
        }
        self.peersWithRoutes = withRoutes.count
        self.peers = sessions.count
        self.prefixesIPv4 = prefixes.count { $0.family == .ipv4 }
        self.prefixesIPv6 = prefixes.count { $0.family == .ipv6 }
    }

    private mutating func judge(_ disposition: Disposition) {
        if disposition >= .treatAsWithdraw { self.malformed += 1 }
    }
}

@Suite("Real MRT files", .enabled(if: TestData.isThere))
struct MRTCountTests {
    @Test(
        "hold the routes of their tables",
        arguments: [
            ("rrc00.bview.20000111.0032.as-tdv2.gz", 7, 7, 82_377, 0, 452_018),
            ("rrc06.bview.20100701.0759.as-tdv2.gz", 5, 5, 323_487, 0, 641_957),
            ("route-views2.rib.20140523.0600.first-9072.gz", 47, 35, 9_072, 0, 270_005),
            ("route-views6.rib.20151101.0600.first-6870.gz", 29, 27, 0, 6_870, 149_578),
            ("bview.20020722.2337.gz", 0, 36, 112_988, 0, 115_521),
            ("bview.20190417.0800.stub.gz", 2, 2, 6_123, 517, 6_640),
        ])
    func tables(name: String, index: Int, peers: Int, ipv4: Int, ipv6: Int, routes: Int) throws {
        let counts = try MRTCounts(TestData.path("mrt/rib/" + name))
        #expect(counts.indexPeers == index)
        #expect(counts.peersWithRoutes == peers)
        #expect(counts.prefixesIPv4 == ipv4)
        #expect(counts.prefixesIPv6 == ipv6)
        #expect(counts.routes == routes)
        #expect(counts.malformed == 0)
        #expect(counts.notRead == 0)
    }

    @Test(
        "hold the messages of their sessions",
        arguments: [
            ("updates.et-header.2015.gz", 1, 89_679, 577_737, 3, 1),
            ("updates.20160811.1600.gz", 45, 17_216, 39_256, 1_956, 0),
            ("updates.20070211.0141.gz", 31, 23_394, 51_236, 2_270, 0),
            ("updates.20100722.2015.gz", 63, 1_822, 5_067, 547, 0),
            ("updates.20020722.2238.gz", 43, 393, 825, 2_419, 0),
            ("ris.rrc06.updates.1427846400.gz", 7, 761, 1_435, 122, 0),
            ("updates.20240914.2230.et.bz2", 4, 85, 159, 109, 0),
        ])
    func updates(
        name: String, peers: Int, updates: Int, announced: Int, withdrawn: Int, malformed: Int
    ) throws {
        let counts = try MRTCounts(TestData.path("mrt/updates/" + name))
        #expect(counts.peers == peers)
        #expect(counts.messages[2] == updates)
        #expect(counts.announced == announced)
        #expect(counts.withdrawn == withdrawn)
        // One path has AS 0 in it, which RFC 7607 doesn't let pass.
        #expect(counts.malformed == malformed)
        #expect(counts.notRead == 0)
    }

    @Test("hold the other messages and changes of state")
    func others() throws {
        let transfer = try MRTCounts(TestData.path("mrt/updates/updates.et-header.2015.gz"))
        #expect(transfer.messages == [1: 1, 2: 89_679, 4: 2])
        #expect(transfer.stateChanges == 4)
        let old = try MRTCounts(TestData.path("mrt/updates/updates.20020722.2238.gz"))
        #expect(old.stateChanges == 93)
        #expect((old.messages[1] ?? 0) > 0 && (old.messages[3] ?? 0) > 0)
    }

    @Test("hold one of each odd record type")
    func oddities() throws {
        let bird = try MRTCounts(TestData.path("mrt/small/bird-mrtdump_bgp"))
        #expect(Set(bird.messages.keys) == [1, 2, 3, 4, 5])
        #expect(bird.stateChanges > 0 && bird.announced > 0 && bird.notRead == 0)
        let rib = try MRTCounts(TestData.path("mrt/small/bird-mrtdump_rib"))
        #expect(rib.routes == 18 && rib.notRead == 0)
        let openBGPD = try MRTCounts(TestData.path("mrt/small/openbgpd_rib_table"))
        #expect(openBGPD.routes == 31)
        #expect(openBGPD.prefixesIPv6 > 0 && openBGPD.notRead == 0)
        for family in ["ipv4", "ipv6"] {
            let name = "mrt/small/bview.\(family)_unicast_add_path.gz"
            let paths = try MRTCounts(TestData.path(name))
            #expect(paths.indexPeers == 3)
            #expect(paths.routes == 62)
            #expect(paths.prefixesIPv4 + paths.prefixesIPv6 == 31)
        }
    }
}
