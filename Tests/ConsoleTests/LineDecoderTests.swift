// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import NIOCore
import Testing

@Suite("Cutting lines out of telnet")
struct LineDecoderTests {
    /// The lines of `bytes`, nil for one that is too long; what remains; what is answered.
    private func decode(
        _ bytes: [UInt8], limit: Int = 16, pieces: Int = .max
    ) -> (lines: [String?], rest: Bool, answers: [UInt8]) {
        var decoder = LineDecoder(maximumLength: limit)
        var lines: [String?] = []
        var start = 0
        while start < bytes.count {
            let end = pieces == .max ? bytes.count : min(bytes.count, start + pieces)
            var buffer = ByteBuffer(bytes: bytes[start..<end])
            start = end
            loop: while true {
                switch decoder.step(&buffer) {
                case .line: lines.append(String(decoding: decoder.line, as: UTF8.self))
                case .tooLong: lines.append(nil)
                case .needsMore: break loop
                }
            }
            #expect(buffer.readableBytes == 0)
            #expect(decoder.line.count <= limit)
        }
        return (lines, decoder.hasPartialLine, decoder.answers)
    }

    @Test("accepts LF, CR LF, CR NUL and CR")
    func lineEnds() {
        let bytes = Array("a\nb\r\nc\r\0d\re\n\n".utf8)
        for pieces in [1, 2, 3, .max] {
            #expect(self.decode(bytes, pieces: pieces).lines == ["a", "b", "c", "d", "e", ""])
        }
    }

    @Test("telnet's commands never reach a line")
    func telnet() {
        let bytes: [UInt8] =
            [255, 253, 3, 255, 251, 31, 0x61, 255, 250, 31, 0, 80, 255, 255, 10, 255, 240]
            + [0x62, 255, 254, 1, 255, 252, 1, 255, 241, 0x63, 255, 255, 10]
        for pieces in [1, 2, 5, .max] {
            let (lines, rest, answers) = self.decode(bytes, pieces: pieces)
            #expect(lines == [String(decoding: [0x61, 0x62, 0x63, 255], as: UTF8.self)])
            #expect(!rest)
            #expect(answers == [255, 252, 3, 255, 254, 31], "WONT 3, DONT 31")
        }
    }

    @Test("our own offer of echo is not declined")
    func echo() {
        var decoder = LineDecoder(maximumLength: 16)
        decoder.offersEcho = true
        var buffer = ByteBuffer(bytes: [255, 253, 1])
        #expect(decoder.step(&buffer) == .needsMore)
        #expect(decoder.answers == [])
    }

    @Test("erases characters and lines, and answers 'are you there'")
    func editing() {
        let bytes =
            Array("ab".utf8) + [255, 247] + Array("c\nxx".utf8) + [255, 248]
            + Array("d\nyy".utf8) + [255, 244] + Array("e\n".utf8) + [255, 246]
            + Array("zz".utf8) + [3] + Array("f\n".utf8)
        let (lines, _, answers) = self.decode(bytes)
        #expect(lines == ["ac", "d", "e", "f"], "Ctrl-C forgets what was typed")
        #expect(String(decoding: answers, as: UTF8.self) == "\r\n[yes]\r\n")
    }

    @Test("a line past the bound is dropped whole, and the next one is read")
    func tooLong() {
        let line16 = String(repeating: "x", count: 16)
        let bytes = Array("\(line16)\n\(line16)x\nok\n\(line16)\(line16)\(line16)\r\nend".utf8)
        for pieces in [1, 7, 16, .max] {
            let (lines, rest, _) = self.decode(bytes, pieces: pieces)
            #expect(lines == [line16, nil, "ok", nil])
            #expect(rest)
        }
    }

    @Test("a last line without an end counts when the other side has closed")
    func finish() {
        var decoder = LineDecoder(maximumLength: 4)
        var buffer = ByteBuffer(string: "ab")
        #expect(decoder.step(&buffer) == .needsMore)
        #expect(decoder.finish() == .line)
        #expect(decoder.line == Array("ab".utf8))
        #expect(decoder.finish() == .needsMore)
    }

    @Test("stands any bytes, in any pieces, with the same lines")
    func anything() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<500 {
            let interesting: [UInt8] = [0, 3, 10, 13, 97, 240, 244, 247, 248, 250, 251, 253, 255]
            let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                Bool.random(using: &generator)
                    ? interesting.randomElement(using: &generator) ?? 0
                    : UInt8.random(in: 0...255, using: &generator)
            }
            let whole = self.decode(bytes)
            let single = self.decode(bytes, pieces: 1)
            #expect(whole.lines == single.lines)
            #expect(whole.answers == single.answers)
        }
    }
}
