// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Testing

@Suite("The configuration's reference")
struct ReferenceTests {
    private static let known = KnownKeys()

    private static func words(_ path: String, _ key: String) -> String {
        "\(key) in \(path.isEmpty ? "the file" : path)"
    }

    private static func documented() throws -> Set<String> {
        Set(
            try Reference().rows.flatMap { row in
                row.paths.flatMap { path in row.keys.map { Self.words(path, $0) } }
            })
    }

    private static var all: Set<String> {
        Set(self.known.mappings.flatMap { path, keys in keys.map { self.words(path, $0) } })
    }

    @Test("every mapping is looked into")
    func reached() {
        #expect(Self.known.unreached == [])
        // Some of those that are hard to get at.
        for path in [
            "", "feeds.*.bgp.tcp-ao", "feeds.*.rules.not.as-path", "sites.*.services.*",
            "zones.*.records.*.weight-length", "dns.decision-log", "rpki.caches",
        ] {
            #expect(Self.known.mappings[path] != nil, "\(path)")
        }
        #expect(Self.all.count > 300)
    }

    @Test("has a row for every key that a reader knows")
    func complete() throws {
        let missing = Self.all.subtracting(try Self.documented())
        #expect(
            missing.sorted() == [], "to be told of in a page of Configuration.docc/Reference*.md")
    }

    @Test("has no key that no reader knows")
    func exact() throws {
        #expect(try Self.documented().subtracting(Self.all).sorted() == [])
    }

    @Test("tells of each key once, with its form, its default, and what a reload does")
    func whole() throws {
        let words = ["at once", "session", "file", "new connections", "next start", "see there"]
        var seen: Set<String> = []
        for row in try Reference().rows {
            let place = "\(row.page):\(row.line)"
            #expect(!row.paths.isEmpty, "\(place): in no mapping")
            #expect(!row.keys.isEmpty, "\(place): no key")
            #expect(!row.form.isEmpty && !row.meaning.isEmpty, "\(place): an empty cell")
            for word in row.reload.split(separator: ", ") {
                #expect(words.contains(String(word)), "\(place): \(word)")
            }
            #expect(!row.reload.isEmpty, "\(place): what does a reload do?")
            // Where it is empty, a mapping's own keys have their defaults.
            #expect(
                !row.fallback.isEmpty || row.form.contains("mapping"), "\(place): which default?")
            for (path, key) in row.paths.flatMap({ path in row.keys.map { (path, $0) } }) {
                #expect(
                    seen.insert(Self.words(path, key)).inserted,
                    "\(place): \(Self.words(path, key)) stands twice")
            }
        }
    }
}
