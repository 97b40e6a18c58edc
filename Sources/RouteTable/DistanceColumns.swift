// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A byte for each column at each node of a tree: a site's distance + 1, or 0 for none.
///
/// Columns stand in planes: the bytes of a plane's columns at one node lie side by side, so that a
/// table whose sites are all known from the start is read with one miss a node. A column that
/// comes later gets a plane of its own: nothing is copied, and it costs a byte a node. Belongs to
/// the writer's thread.
final class DistanceColumns {
    static let limit = 64

    private struct Plane {
        let memory: ReservedMemory
        let first: Int
        let width: Int

        var base: UnsafeMutablePointer<UInt8> {
            self.memory.base.assumingMemoryBound(to: UInt8.self)
        }
    }

    /// Columns there are.
    private(set) var count = 0
    private let nodeCapacity: Int
    private var planes: [Plane] = []
    /// For each column its byte at node 0, and the bytes from one node to the next.
    private let bases: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
    private let strides: UnsafeMutablePointer<Int>
    /// The planes as walks read them.
    private let views: UnsafeMutablePointer<View>
    private var viewCount = 0

    private struct View {
        var base: UnsafeMutablePointer<UInt8>
        var first: Int
        var width: Int
    }

    /// - Parameter nodeCapacity: Nodes are numbered below this.
    init(nodeCapacity: Int) {
        self.nodeCapacity = nodeCapacity
        self.bases = .allocate(capacity: Self.limit)
        self.strides = .allocate(capacity: Self.limit)
        self.views = .allocate(capacity: Self.limit)
    }

    deinit {
        self.bases.deallocate()
        self.strides.deallocate()
        self.views.deallocate()
    }

    // MARK: Values

    /// A column's value at a node; the column is below ``count``.
    @inline(__always)
    func value(_ node: Int32, _ column: Int) -> UInt8 {
        self.bases[column][Int(node) &* self.strides[column]]
    }

    @inline(__always)
    func set(_ value: UInt8, _ node: Int32, _ column: Int) {
        self.bases[column][Int(node) &* self.strides[column]] = value
    }

    /// Has the values at a node brought near: those of the columns that were there first.
    @inline(__always)
    func fetch(_ node: Int32) {
        if self.count > 0 { martlet_prefetch(self.bases[0] + Int(node) &* self.strides[0]) }
    }

    func clear(_ node: Int32) {
        for plane in self.planes {
            (plane.base + Int(node) * plane.width).update(repeating: 0, count: plane.width)
        }
    }

    /// Writes what holds inside a node: its own values, and where it has none those from above.
    ///
    /// - Parameters:
    ///   - node: The node.
    ///   - above: ``count`` bytes: what holds around it.
    ///   - result: ``count`` bytes; may be `above`.
    @inline(__always)
    func overlay(
        _ node: Int32, on above: UnsafePointer<UInt8>, into result: UnsafeMutablePointer<UInt8>
    ) {
        for index in 0..<self.viewCount {
            let plane = self.views[index]
            let own = plane.base + Int(node) &* plane.width
            for offset in 0..<plane.width {
                let value = own[offset]
                let column = plane.first &+ offset
                result[column] = value != 0 ? value : above[column]
            }
        }
    }

    // MARK: Columns

    /// Makes room for columns up to a number.
    ///
    /// - Parameters:
    ///   - columns: How many there are to be.
    ///   - isEmpty: No node is in use, so that all columns can lie side by side.
    /// - Throws: Where the system refuses the space; the columns are then what they were.
    func grow(to columns: Int, isEmpty: Bool) throws(TableResourceError) {
        precondition(columns <= Self.limit, "sites are numbered below the limit")
        guard columns > self.count else { return }
        let first = isEmpty ? 0 : self.count
        let width = columns - first
        let plane = Plane(
            memory: try ReservedMemory(bytes: self.nodeCapacity * width), first: first,
            width: width)
        if isEmpty { _ = self.shrink(to: 0) }
        (self.views + self.planes.count).initialize(
            to: View(base: plane.base, first: first, width: width))
        self.planes.append(plane)
        self.viewCount = self.planes.count
        for column in first..<columns {
            (self.bases + column).initialize(to: plane.base + (column - first))
            (self.strides + column).initialize(to: width)
        }
        self.count = columns
    }

    /// Takes out planes in which no column below a number lies; those beyond must be zero.
    ///
    /// - Returns: Their memory.
    func shrink(to columns: Int) -> [ReservedMemory] {
        var gone: [ReservedMemory] = []
        while let last = self.planes.last, last.first >= columns {
            self.planes.removeLast()
            self.viewCount = self.planes.count
            self.count = last.first
            gone.append(last.memory)
        }
        return gone
    }
}
