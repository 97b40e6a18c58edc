// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import CBzip2
import CZlib

/// Packs bytes for tests, by the same libraries that unpack them.
enum Packed {
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        let size = CInt(MemoryLayout<z_stream>.size)
        guard
            deflateInit2_(
                &stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY,
                ZLIB_VERSION, size) == Z_OK
        else { return [] }
        var input = bytes
        var output = [UInt8](repeating: 0, count: bytes.count + 1024)
        let count = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = CUnsignedInt(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = CUnsignedInt(output.count)
                _ = deflate(&stream, Z_FINISH)
                deflateEnd(&stream)
                return output.count - Int(stream.avail_out)
            }
        }
        return Array(output.prefix(count))
    }

    static func bzip2(_ bytes: [UInt8]) -> [UInt8] {
        var input = bytes.map { CChar(bitPattern: $0) }
        var output = [CChar](repeating: 0, count: bytes.count + bytes.count / 50 + 1024)
        var count = CUnsignedInt(output.count)
        let status = BZ2_bzBuffToBuffCompress(
            &output, &count, &input, CUnsignedInt(input.count), 1, 0, 0)
        guard status == BZ_OK else { return [] }
        return output.prefix(Int(count)).map { UInt8(bitPattern: $0) }
    }
}
