// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

public import Addressing
import CLinux
import CMaxMindDB
import Glibc

/// A database of locations in MaxMind's format: GeoLite2-City and -Country, DB-IP's and IPinfo's
/// files, and others whose records have a country or coordinates.
///
/// The file is copied before it is looked at (libmaxminddb maps it, and a mapped file that
/// somebody cuts short would end the process), so it may be compressed like any other input.
public final class LocationDatabase {
    /// What a record says of its addresses; one of both is there.
    public struct Location: Hashable, Sendable {
        public var country: CountryCode?
        /// Degrees, to the half, so that clients some kilometres apart are alike.
        public var coordinates: Coordinates?
    }

    public struct Coordinates: Hashable, Sendable {
        public var latitude: Double
        public var longitude: Double
    }

    public let path: String
    /// What the file calls itself, such as `GeoLite2-City`.
    public let type: String
    /// libmaxminddb's handle. What it gives out (``SearchTree``'s records) points back to it, so it
    /// has a place of its own, which it keeps from a good `MMDB_open` to the one `MMDB_close` in
    /// `deinit`; nobody else writes there.
    private let database: UnsafeMutablePointer<MMDB_s>

    /// Opens a file, compressed or not.
    ///
    /// - Throws: ``InputFileError`` or ``LocationDatabaseError``.
    public convenience init(path: String) throws {
        try self.init(ByteSource(path: path))
    }

    /// Opens a database that is in memory.
    public convenience init(bytes: [UInt8]) throws {
        try self.init(ByteSource(bytes: bytes))
    }

    private init(_ source: consuming ByteSource) throws {
        self.path = source.path
        let copy = try Self.copy(source)
        // The mapping stays when the copy's descriptor is closed.
        defer { close(copy) }
        let database = UnsafeMutablePointer<MMDB_s>.allocate(capacity: 1)
        database.initialize(to: MMDB_s())
        let status = MMDB_open("/proc/self/fd/\(copy)", UInt32(MMDB_MODE_MMAP), database)
        guard status == MMDB_SUCCESS else {
            // It has closed what it had opened.
            database.deallocate()
            throw LocationDatabaseError(
                path: self.path, reason: .notADatabase(String(cString: MMDB_strerror(status))))
        }
        self.type = database.pointee.metadata.database_type.map { String(cString: $0) } ?? "-"
        self.database = database
    }

    deinit {
        MMDB_close(self.database)
        self.database.deallocate()
    }

    /// No database is larger, unpacked: the format's pointers reach no further.
    private static let maximumBytes = 4 << 30

    /// - Returns: The descriptor of a file without a name that holds what the source gives.
    private static func copy(_ source: consuming ByteSource) throws -> CInt {
        let path = source.path
        let copy = martlet_memory_file("locations")
        guard copy >= 0 else { throw LocationDatabaseError(path: path, reason: .noRoom(-copy)) }
        do {
            try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { buffer in
                while true {
                    let count = try source.read(into: buffer)
                    guard count > 0 else { return }
                    guard source.offset <= Self.maximumBytes else {
                        throw InputFileError(
                            path: path, reason: .tooLarge(maximum: Self.maximumBytes),
                            offset: source.offset)
                    }
                    try Self.write(
                        UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: copy, path)
                }
            }
        } catch {
            close(copy)
            throw error
        }
        return copy
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: CInt, _ path: String
    ) throws(LocationDatabaseError) {
        var bytes = bytes
        while !bytes.isEmpty {
            let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            guard count > 0 || errno == EINTR else {
                throw LocationDatabaseError(path: path, reason: .noRoom(errno))
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes[max(0, count)...])
        }
    }

    /// Calls `body` with each range of addresses that have a location, in order, IPv4 first;
    /// neighbours in one place are taken together.
    ///
    /// IPv4 addresses that IPv6 ones contain (`::ffff:0:0/96`, 6to4, Teredo) are left out: such
    /// databases lead from there into their IPv4 part.
    ///
    /// - Throws: ``LocationDatabaseError``, perhaps after some ranges.
    public func forEachRange(
        _ body: (_ first: IPAddress, _ last: IPAddress, Location) -> Void
    ) throws(LocationDatabaseError) {
        defer { withExtendedLifetime(self) {} }
        let tree = try SearchTree(self.database, path: self.path)
        var records = LocationRecords()
        var count = 0
        for family in AddressFamily.allCases {
            var open: (first: UInt128, last: UInt128, location: Location)?
            func close() {
                guard let range = open else { return }
                body(
                    IPAddress(family: family, leftAligned: range.first),
                    IPAddress(family: family, leftAligned: range.last),
                    range.location)
                open = nil
                count += 1
            }
            try tree.walk(family) { entry, first, last in
                guard let location = records.location(entry) else { return }
                if let range = open, range.location == location, range.last &+ 1 == first {
                    open?.last = last
                } else {
                    close()
                    open = (first, last, location)
                }
            }
            close()
        }
        guard count > 0 else {
            throw LocationDatabaseError(path: self.path, reason: .noLocations(type: self.type))
        }
    }
}
