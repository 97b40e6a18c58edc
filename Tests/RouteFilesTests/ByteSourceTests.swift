// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Glibc
import RouteFiles
import Testing

@Suite("Files as bytes")
struct ByteSourceTests {
    /// Text that packs well, and noise that doesn't: more than a buffer of each.
    private static let sample: [UInt8] = {
        var random = SeededGenerator(seed: 11)
        let noise = (0..<100_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return (0..<200_000).map { UInt8($0 / 1000 & 0xff) } + noise
    }()

    /// All bytes of a source, read in pieces of a size, and the error at their end.
    private func readAll(
        _ source: consuming ByteSource, pieces: Int = 10_000
    ) -> (bytes: [UInt8], error: InputFileError?) {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieces, alignment: 8)
        defer { buffer.deallocate() }
        do throws(InputFileError) {
            while true {
                let count = try source.read(into: buffer)
                if count == 0 { return (bytes, nil) }
                bytes.append(contentsOf: buffer[..<count])
            }
        } catch {
            return (bytes, error)
        }
    }

    private static func pack(_ kind: Compression, _ bytes: [UInt8]) -> [UInt8] {
        switch kind {
        case .plain: bytes
        case .gzip: Packed.gzip(bytes)
        case .bzip2: Packed.bzip2(bytes)
        }
    }

    @Test(
        "come out as they went in, from memory and from a file",
        arguments: [.plain, .gzip, .bzip2] as [Compression], [1, 999, 1 << 20])
    func roundTrip(kind: Compression, pieces: Int) throws {
        let sample = pieces == 1 ? Array(Self.sample.prefix(5000)) : Self.sample
        let packed = Self.pack(kind, sample)
        let source = try ByteSource(bytes: packed)
        #expect(source.compression == kind)
        let (bytes, error) = self.readAll(source, pieces: pieces)
        #expect(error == nil)
        #expect(bytes == sample)
        let path = try TestData.write(packed, "packed")
        defer { unlink(path) }
        #expect(try self.readAll(ByteSource(path: path), pieces: pieces).bytes == sample)
        #expect(try ByteSource.readAll(path: path) == sample)
    }

    @Test(
        "of several members, empty ones among them, are read as one",
        arguments: [.gzip, .bzip2] as [Compression])
    func members(kind: Compression) throws {
        let parts: [[UInt8]] = [Self.sample, [], Array("middle".utf8), [], Self.sample]
        let packed = parts.flatMap { Self.pack(kind, $0) }
        let (bytes, error) = try self.readAll(ByteSource(bytes: packed))
        #expect(error == nil)
        #expect(bytes == Array(parts.joined()))
        let padded = try self.readAll(ByteSource(bytes: packed + [UInt8](repeating: 0, count: 700)))
        #expect(padded.error == nil)
        #expect(padded.bytes == bytes)
    }

    @Test("of nothing are empty", arguments: [.plain, .gzip, .bzip2] as [Compression])
    func empty(kind: Compression) throws {
        let (bytes, error) = try self.readAll(ByteSource(bytes: Self.pack(kind, [])))
        #expect(bytes.isEmpty && error == nil)
    }

    @Test(
        "cut short give what is good, then say so",
        arguments: [.gzip, .bzip2] as [Compression])
    func truncated(kind: Compression) throws {
        let sample = Array(Self.sample[150_000..<250_000])
        let packed = Self.pack(kind, sample)
        for count in Swift.stride(from: 12, to: packed.count, by: 997) + [packed.count - 1] {
            let (bytes, error) = try self.readAll(ByteSource(bytes: Array(packed.prefix(count))))
            #expect(error?.reason == .truncated(kind), "at \(count)")
            #expect(error?.offset == bytes.count)
            #expect(sample.starts(with: bytes))
        }
    }

    @Test(
        "with a bit flipped are damaged, cut short, or as they were",
        arguments: [.gzip, .bzip2] as [Compression])
    func damaged(kind: Compression) throws {
        var random = SeededGenerator(seed: 12)
        let sample = Array(Self.sample[195_000..<205_000])
        let packed = Self.pack(kind, sample)
        for _ in 0..<300 {
            var bytes = packed
            let place = Int.random(in: 10..<bytes.count, using: &random)
            bytes[place] ^= 1 << (random.next() & 7)
            let (read, error) = try self.readAll(ByteSource(bytes: bytes))
            #expect(
                error?.reason == .damaged(kind) || error?.reason == .truncated(kind)
                    || (error == nil && read == sample), "byte \(place)")
        }
    }

    @Test(
        "followed by something else say so",
        arguments: [.gzip, .bzip2] as [Compression])
    func garbage(kind: Compression) throws {
        let packed = Self.pack(kind, Self.sample) + Array("and more".utf8)
        let (bytes, error) = try self.readAll(ByteSource(bytes: packed))
        #expect(bytes == Self.sample)
        #expect(error?.reason == .trailingGarbage(kind))
        #expect(error?.description.contains("something else follows the \(kind) data") == true)
    }

    @Test("that can't be opened or read say why")
    func unreadable() {
        #expect(throws: InputFileError(path: "/no/where", reason: .cannotOpen(ENOENT), offset: 0)) {
            _ = try ByteSource(path: "/no/where")
        }
        let error = #expect(throws: InputFileError.self) { _ = try ByteSource(path: "/") }
        #expect(error?.description == "/: can't be read: Is a directory, after 0 bytes")
    }

    @Test("packed in ways that aren't read say which")
    func otherKinds() {
        let xz: [UInt8] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]
        let zstd: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0]
        for (bytes, name) in [(xz, "xz"), (zstd, "zstd")] {
            let error = #expect(throws: InputFileError.self) { _ = try ByteSource(bytes: bytes) }
            #expect(error?.reason == .unsupportedCompression(name))
        }
    }

    @Test("larger than they may be are refused")
    func tooLarge() throws {
        let path = try TestData.write(Packed.gzip([UInt8](repeating: 7, count: 300_000)), "bomb")
        defer { unlink(path) }
        let error = #expect(throws: InputFileError.self) {
            try ByteSource.readAll(path: path, maximum: 100_000)
        }
        #expect(error?.reason == .tooLarge(maximum: 100_000))
    }

    @Test("that begin like bzip2 by chance are plain")
    func chance() throws {
        let source = try ByteSource(bytes: Array("BZh9".utf8) + [0, 13, 0, 1, 0, 0, 0, 0])
        #expect(source.compression == .plain)
    }
}
