// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What readers see of the table: any number of threads, no lock, no wait.
public final class LookupTable: Sendable {
    let epochs: EpochDomain
    /// The published ``TableImage``, retained below until no reader can hold it.
    private let image: Atomic<UInt>
    /// Here, not with the writer: readers may outlive it. They don't touch it.
    private let images: Mutex<Images>

    /// Who is to hear of another image.
    private let watchers = Mutex<[ChangeSignal]>([])

    private struct Images {
        var latest: TableImage
        /// Those before, and the epoch in which each was replaced.
        var retired: [(epoch: UInt64, image: TableImage)] = []
    }

    init(first: TableImage, readers: Int) throws(TableResourceError) {
        self.epochs = try EpochDomain(slotCount: readers)
        self.images = Mutex(Images(latest: first))
        self.image = Atomic(UInt(bitPattern: Unmanaged.passUnretained(first).toOpaque()))
    }

    /// Publishes another image. The one before stays until ``reclaim(before:)`` takes it.
    func publish(_ image: TableImage) {
        self.images.withLock {
            self.image.store(
                UInt(bitPattern: Unmanaged.passUnretained(image).toOpaque()),
                ordering: .sequentiallyConsistent)
            $0.retired.append((self.epochs.current, $0.latest))
            $0.latest = image
        }
        self.watchers.withLock { for watcher in $0 { watcher.wake(.imageReplaced) } }
    }

    /// Wakes a signal whenever another image is published, until ``unwatch(_:)``.
    package func watch(_ signal: ChangeSignal) { self.watchers.withLock { $0.append(signal) } }

    package func unwatch(_ signal: ChangeSignal) {
        self.watchers.withLock { $0.removeAll { $0 === signal } }
    }

    /// Takes the images out that were replaced before an epoch.
    func reclaim(before epoch: UInt64) -> [TableImage] {
        self.images.withLock { images in
            let gone = images.retired.filter { $0.epoch < epoch }.map(\.image)
            if !gone.isEmpty { images.retired.removeAll { $0.epoch < epoch } }
            return gone
        }
    }

    /// Images that readers may still see, but for the published one.
    var retired: [TableImage] { self.images.withLock { $0.retired.map(\.image) } }
    var hasRetired: Bool { self.images.withLock { !$0.retired.isEmpty } }

    /// What readers see from now on. Only for who is pinned: the pin comes before this load in all
    /// threads' eyes (``EpochDomain``), and so whoever replaces the image either sees the pin, and
    /// keeps what this load may have found, or is seen by it. Acquiring: what the image holds was
    /// written before it was published.
    var published: Unmanaged<TableImage>? {
        UnsafeRawPointer(bitPattern: self.image.load(ordering: .acquiring))
            .map { Unmanaged.fromOpaque($0) }
    }

    /// A reader for one thread.
    public func makeReader() throws -> TableReader {
        guard let slot = self.epochs.register() else { throw TableReaderError.noSlotLeft }
        return TableReader(table: self, slot: slot)
    }
}

public enum TableReaderError: Error, Hashable, Sendable {
    /// As many readers as ``TableLimits/readers`` are there.
    case noSlotLeft
}

/// One thread's access to the table. Gives its place back at the end of its life.
public struct TableReader: ~Copyable {
    private let table: LookupTable
    /// The table and what is its own, which live as long as `table` does: so a batch counts no
    /// reference.
    private let unretained: Unmanaged<LookupTable>
    private let epochs: Unmanaged<EpochDomain>
    private let slot: Int

    init(table: LookupTable, slot: Int) {
        self.table = table
        self.unretained = .passUnretained(table)
        self.epochs = .passUnretained(table.epochs)
        self.slot = slot
    }

    deinit { self.table.epochs.unregister(self.slot) }

    /// Pins the table for a batch of lookups.
    ///
    /// The writer goes on, but can't use memory again that was unlinked since: keep batches to
    /// milliseconds, and don't wait inside.
    public mutating func withSnapshot<R>(
        _ body: (borrowing TableSnapshot) throws -> R
    ) rethrows -> R {
        let (epochs, slot) = (self.epochs, self.slot)
        epochs._withUnsafeGuaranteedRef { $0.pin(slot) }
        defer { epochs._withUnsafeGuaranteedRef { $0.unpin(slot) } }
        guard let image = self.unretained._withUnsafeGuaranteedRef({ $0.published }) else {
            preconditionFailure("an image is published from the table's first moment")
        }
        return try body(TableSnapshot(image: image))
    }

    /// Pins the table and gives the image itself; nil where there is none.
    mutating func withImage<R>(_ body: (TableImage) throws -> R) rethrows -> R? {
        self.table.epochs.pin(self.slot)
        defer { self.table.epochs.unpin(self.slot) }
        return try self.table.published.map { try body($0.takeUnretainedValue()) }
    }
}
