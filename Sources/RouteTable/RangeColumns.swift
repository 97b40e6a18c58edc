// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

/// Left-aligned addresses in as many of their leading bytes as they need, all alike: 4 in IPv4, 8
/// where no boundary is longer than /64, else 16.
struct CompactStarts: Sendable {
    private enum Storage {
        case top32([UInt32])
        case top64([UInt64])
        case whole([UInt128])
    }

    private var storage = Storage.top32([])

    var count: Int {
        switch self.storage {
        case .top32(let starts): starts.count
        case .top64(let starts): starts.count
        case .whole(let starts): starts.count
        }
    }

    subscript(position: Int) -> UInt128 {
        switch self.storage {
        case .top32(let starts): UInt128(starts[position]) &<< 96
        case .top64(let starts): UInt128(starts[position]) &<< 64
        case .whole(let starts): starts[position]
        }
    }

    var last: UInt128? { self.count == 0 ? nil : self[self.count - 1] }

    mutating func append(_ start: UInt128) {
        // The storage is taken out while it grows, so that there is one owner of the array.
        switch self.storage {
        case .top32(var starts):
            self.storage = .top32([])
            if start & (UInt128.max &>> 32) == 0 {
                starts.append(UInt32(truncatingIfNeeded: start &>> 96))
                self.storage = .top32(starts)
            } else {
                self.storage = .top64(starts.map { UInt64($0) &<< 32 })
                self.append(start)
            }
        case .top64(var starts):
            self.storage = .top64([])
            if start & (UInt128.max &>> 64) == 0 {
                starts.append(UInt64(truncatingIfNeeded: start &>> 64))
                self.storage = .top64(starts)
            } else {
                self.storage = .whole(starts.map { UInt128($0) &<< 64 })
                self.append(start)
            }
        case .whole(var starts):
            self.storage = .whole([])
            starts.append(start)
            self.storage = .whole(starts)
        }
    }

    mutating func removeLast() {
        switch self.storage {
        case .top32(var starts):
            self.storage = .top32([])
            starts.removeLast()
            self.storage = .top32(starts)
        case .top64(var starts):
            self.storage = .top64([])
            starts.removeLast()
            self.storage = .top64(starts)
        case .whole(var starts):
            self.storage = .whole([])
            starts.removeLast()
            self.storage = .whole(starts)
        }
    }

    /// Gives back what growing took beyond the need.
    mutating func trim() {
        switch self.storage {
        case .top32(let starts): self.storage = .top32(starts.trimmed)
        case .top64(let starts): self.storage = .top64(starts.trimmed)
        case .whole(let starts): self.storage = .whole(starts.trimmed)
        }
    }

    var byteCount: Int {
        switch self.storage {
        case .top32(let starts): starts.capacity * 4
        case .top64(let starts): starts.capacity * 8
        case .whole(let starts): starts.capacity * 16
        }
    }
}

/// Numbers in as many bytes as the largest needs: 1, 2 or 4.
struct CompactValues: Sendable {
    private enum Storage {
        case one([UInt8])
        case two([UInt16])
        case four([UInt32])
    }

    private var storage = Storage.one([])

    var count: Int {
        switch self.storage {
        case .one(let values): values.count
        case .two(let values): values.count
        case .four(let values): values.count
        }
    }

    subscript(position: Int) -> UInt32 {
        switch self.storage {
        case .one(let values): UInt32(values[position])
        case .two(let values): UInt32(values[position])
        case .four(let values): values[position]
        }
    }

    var last: UInt32? { self.count == 0 ? nil : self[self.count - 1] }

    mutating func append(_ value: UInt32) {
        switch self.storage {
        case .one(var values):
            self.storage = .one([])
            if let small = UInt8(exactly: value) {
                values.append(small)
                self.storage = .one(values)
            } else {
                self.storage = .two(values.map(UInt16.init))
                self.append(value)
            }
        case .two(var values):
            self.storage = .two([])
            if let small = UInt16(exactly: value) {
                values.append(small)
                self.storage = .two(values)
            } else {
                self.storage = .four(values.map(UInt32.init))
                self.append(value)
            }
        case .four(var values):
            self.storage = .four([])
            values.append(value)
            self.storage = .four(values)
        }
    }

    mutating func removeLast() {
        switch self.storage {
        case .one(var values):
            self.storage = .one([])
            values.removeLast()
            self.storage = .one(values)
        case .two(var values):
            self.storage = .two([])
            values.removeLast()
            self.storage = .two(values)
        case .four(var values):
            self.storage = .four([])
            values.removeLast()
            self.storage = .four(values)
        }
    }

    mutating func trim() {
        switch self.storage {
        case .one(let values): self.storage = .one(values.trimmed)
        case .two(let values): self.storage = .two(values.trimmed)
        case .four(let values): self.storage = .four(values.trimmed)
        }
    }

    var byteCount: Int {
        switch self.storage {
        case .one(let values): values.capacity
        case .two(let values): values.capacity * 2
        case .four(let values): values.capacity * 4
        }
    }
}

extension Array {
    /// The same in just the room it needs.
    fileprivate var trimmed: [Element] {
        [Element](unsafeUninitializedCapacity: self.count) { room, count in
            count = room.initialize(fromContentsOf: self)
        }
    }
}
