// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Console
import NIOCore

/// What a connection to the console sends, telnet's commands and all: the first octet chooses the
/// face, whether passwords are asked, and how the bytes come in pieces.
func fuzzConsole(_ bytes: UnsafeRawBufferPointer) {
    guard let bits = bytes.first else { return }
    let limit = 200
    var decoder = LineDecoder(maximumLength: limit)
    var session = Session(
        face: bits & 1 == 0 ? .people : .machine, isTrusted: bits & 2 != 0,
        password: bits & 4 == 0 ? nil : "rook", enablePassword: bits & 8 == 0 ? nil : "jackdaw")
    let piece = bits & 16 == 0 ? max(1, bytes.count) : 1 + Int(bits >> 5)
    var rest = bytes.dropFirst()
    while !rest.isEmpty {
        var input = ByteBuffer(bytes: rest.prefix(piece))
        rest = rest.dropFirst(piece)
        reading: while true {
            let step = decoder.step(&input)
            require(decoder.line.count <= limit, "a line keeps its bound")
            switch step {
            case .needsMore: break reading
            case .tooLong: _ = session.handleTooLong(limit: limit)
            case .line:
                if !take(decoder.line, session: &session) { return }
            }
        }
        require(input.readableBytes == 0, "everything is taken")
    }
    if decoder.finish() == .line { _ = take(decoder.line, session: &session) }
}

/// - Returns: False where the line ends the connection.
private func take(_ line: [UInt8], session: inout Session) -> Bool {
    let text = String(decoding: line, as: UTF8.self)
    let completions = Grammar.standard.completions(of: text) { _ in ["sydney", "www.example.com"] }
    require(completions.count < 1000, "completions are few")
    check(line, text)
    switch session.handle(line: line.span) {
    case .close: return false
    case .help(let line): _ = try? Grammar.standard.help(after: line)
    case .answer(let reply):
        var written = ""
        Presentation(face: session.face).write(reply, prompt: session.prompt, to: &written)
        require(!written.isEmpty, "an answer says something")
    case .nothing, .prompt, .run, .ask, .refuse: break
    }
    return true
}

/// What is answered without the grammar is what the grammar makes of the line, alone and among
/// others.
private func check(_ line: [UInt8], _ text: String) {
    guard line.allSatisfy({ $0 < 0x80 }), let question = QuickQuestion(line.span) else { return }
    let name = String(decoding: line[question.name], as: UTF8.self)
    let command = Command.ask(.nearest, question.client, name: name.isEmpty ? nil : name)
    require((try? Grammar.standard.parse(text).command()) == command, "'\(text)' is a question")
    let two = line + [0x0a] + line + [0x0d, 0x0a] + line
    withUnsafeTemporaryAllocation(of: QuickQuestion.self, capacity: 4) { target in
        guard let first = target.baseAddress else { return }
        let count = two.withUnsafeBytes {
            QuickQuestion.read($0, longest: line.count, into: first, capacity: 4)
        }
        require(count == 2, "'\(text)' twice, and once without an end, are \(count)")
        require(target[1].end == 2 * line.count + 3, "the second ends with its line")
    }
}
