// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import RouteTable

/// Loads a file into the table, for one feed or several.
///
/// Calls block, for as long as reading takes and while the table's queue is full: they belong on a
/// plain thread.
public protocol FileLoader: Sendable {
    var path: String { get }
    /// Judges the routes' origins.
    var validator: OriginValidator? { get set }

    /// Reads the whole file without a table: an error, if loading it would give one.
    func check() throws

    /// Loads the file. The feeds have been added to the table.
    ///
    /// - Parameters:
    ///   - owner: The table's writer.
    ///   - replacing: The feeds have routes that stay in force if the file is bad. It is read
    ///     twice then: once to see that it is good. Without it, a bad file leaves the feeds empty.
    /// - Returns: What was loaded; not all of it may be visible to readers yet.
    /// - Throws: As ``check()`` does.
    @discardableResult
    func load(into owner: TableOwner, replacing: Bool) throws -> DumpLoader.Report
}

extension FileLoader {
    /// Has the routes that were read judged by their origins, before they count.
    func validate(_ feeds: [FeedID], in owner: TableOwner) {
        guard let validator = self.validator, validator.snapshot.isOn else { return }
        owner.submitAndWait(.revise(validator.revision(of: Set(feeds))))
        owner.flushAndWait()
    }
}

extension DumpLoader: FileLoader {}
