// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CBzip2
import CZlib
import Glibc

/// Unpacks gzip or bzip2, one member at a time, between buffers of the caller.
///
/// The libraries' states hold pointers to themselves, so that they stay where they were made.
struct Decompressor: ~Copyable {
    enum Failure: Error { case damaged, outOfMemory }

    /// What one step did.
    struct Step {
        var consumed: Int
        var produced: Int
        /// The member is complete; `restart()` before the next one.
        var isComplete: Bool
    }

    private enum State {
        case gzip(UnsafeMutablePointer<z_stream>)
        case bzip2(UnsafeMutablePointer<bz_stream>)
    }

    private let state: State

    static func gzip() throws(Failure) -> Decompressor {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 bits of window, and 16 to say: gzip's header, not zlib's.
        let size = CInt(MemoryLayout<z_stream>.size)
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else {
            stream.deallocate()
            throw .outOfMemory
        }
        return Decompressor(state: .gzip(stream))
    }

    static func bzip2() throws(Failure) -> Decompressor {
        let stream = UnsafeMutablePointer<bz_stream>.allocate(capacity: 1)
        stream.initialize(to: bz_stream())
        guard BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK else {
            stream.deallocate()
            throw .outOfMemory
        }
        return Decompressor(state: .bzip2(stream))
    }

    private init(state: State) { self.state = state }

    deinit {
        switch self.state {
        case .gzip(let stream):
            inflateEnd(stream)
            stream.deallocate()
        case .bzip2(let stream):
            BZ2_bzDecompressEnd(stream)
            stream.deallocate()
        }
    }

    /// Makes ready for the next member.
    func restart() throws(Failure) {
        switch self.state {
        case .gzip(let stream):
            guard inflateReset(stream) == Z_OK else { throw .outOfMemory }
        case .bzip2(let stream):
            BZ2_bzDecompressEnd(stream)
            stream.pointee = bz_stream()
            guard BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK else { throw .outOfMemory }
        }
    }

    /// Unpacks as much as the buffers allow, each of them less than 4 GiB.
    func step(
        from input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(Failure) -> Step {
        // The libraries read through a pointer that isn't to const, and don't write.
        let source = UnsafeMutableRawPointer(mutating: input.baseAddress)
        let room = CUnsignedInt(clamping: output.count)
        let available = CUnsignedInt(clamping: input.count)
        let isComplete: Bool
        let left: (input: CUnsignedInt, output: CUnsignedInt)
        switch self.state {
        case .gzip(let stream):
            stream.pointee.next_in = source?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_in = available
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_out = room
            let status = inflate(stream, Z_NO_FLUSH)
            switch status {
            case Z_OK, Z_BUF_ERROR: isComplete = false
            case Z_STREAM_END: isComplete = true
            case Z_MEM_ERROR: throw .outOfMemory
            default: throw .damaged
            }
            left = (stream.pointee.avail_in, stream.pointee.avail_out)
        case .bzip2(let stream):
            stream.pointee.next_in = source?.assumingMemoryBound(to: CChar.self)
            stream.pointee.avail_in = available
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
            stream.pointee.avail_out = room
            switch BZ2_bzDecompress(stream) {
            case BZ_OK: isComplete = false
            case BZ_STREAM_END: isComplete = true
            case BZ_MEM_ERROR: throw .outOfMemory
            default: throw .damaged
            }
            left = (stream.pointee.avail_in, stream.pointee.avail_out)
        }
        return Step(
            consumed: Int(available - left.input), produced: Int(room - left.output),
            isComplete: isComplete)
    }
}
