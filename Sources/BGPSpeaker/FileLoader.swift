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

    /// Those that it feeds.
    var feedIDs: [FeedID] { get }

    /// Reads the whole file once.
    ///
    /// - Parameter owner: The table that gets the routes; nil: the file is only checked.
    /// - Returns: What was read.
    /// - Throws: What is wrong with the file, or with what is to be taken from it.
    func read(into owner: TableOwner?) throws -> DumpLoader.Report
}

extension FileLoader {
    /// Reads the whole file without a table: an error, if loading it would give one.
    ///
    /// - Throws: As ``read(into:)`` does.
    public func check() throws { _ = try self.read(into: nil) }

    /// Loads the file. The feeds have been added to the table.
    ///
    /// - Parameters:
    ///   - owner: The table's writer.
    ///   - replacing: The feeds have routes that stay in force if the file is bad. It is read
    ///     twice then: once to see that it is good. Without it, a bad file leaves the feeds empty.
    /// - Returns: What was loaded; not all of it may be visible to readers yet.
    /// - Throws: As ``read(into:)`` does.
    @discardableResult
    public func load(into owner: TableOwner, replacing: Bool) throws -> DumpLoader.Report {
        if replacing { try self.check() }
        for feed in self.feedIDs { owner.submitAndWait(.feedUp(feed)) }
        let report: DumpLoader.Report
        do {
            report = try self.read(into: owner)
        } catch {
            // Where the good part of a bad file counts, nothing else gets here than a selector's
            // mistake.
            for feed in self.feedIDs {
                owner.submitAndWait(.feedFlush(feed))
                owner.submitAndWait(.feedDown(feed))
            }
            throw error
        }
        self.validate(in: owner)
        for feed in self.feedIDs { owner.submitAndWait(.feedComplete(feed)) }
        return report
    }

    /// Has the routes that were read judged by their origins, before they count.
    private func validate(in owner: TableOwner) {
        guard let validator = self.validator, validator.snapshot.isOn else { return }
        owner.submitAndWait(.revise(validator.revision(of: Set(self.feedIDs))))
        owner.flushAndWait()
    }
}
