// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import JSON
import RouteTable

/// Writes replies for one face.
package struct Presentation: Sendable {
    package var face: Face
    /// `\r\n` to a telnet, `\n` else.
    package var newline: String

    package init(face: Face, newline: String = "\n") {
        self.face = face
        self.newline = newline
    }

    /// Writes a whole reply. Of a stream only its frame; see `stream(_:prompt:to:)`.
    package func write(_ reply: Reply, prompt: String, to text: inout String) {
        switch reply {
        case .line(let line): self.single(line, &text)
        case .spoken(let forPeople, let forPrograms):
            self.single(self.face == .machine ? forPrograms : forPeople, &text)
        case .lines(let lines):
            self.open(count: lines.count, &text)
            for line in lines { self.line(line, &text) }
            self.close(&text)
        case .page(let forPeople, let forPrograms):
            let lines = self.face == .machine ? forPrograms : forPeople
            self.open(count: lines.count, &text)
            for line in lines { self.line(line, &text) }
            self.close(&text)
        case .table(let table): self.write(table, &text)
        case .json(let json): self.single(json, &text)
        case .failure(let failure): self.write(failure, &text)
        case .silence, .stream, .live: break
        }
        if case .failure(let failure) = reply {
            self.end(status: "\(failure.code.rawValue)", prompt: prompt, &text)
        } else {
            self.end(status: "ok", prompt: prompt, &text)
        }
    }

    /// Writes a reply that is fetched slice by slice; `send` returns once there is room for more.
    ///
    /// - Returns: Whether all went well. Where a slice fails, or somebody has had enough, what was
    ///   sent is closed with a line that says so.
    package func stream(
        _ stream: RowStream, prompt: String, isStopped: () -> Bool = { false },
        to send: (String) async throws -> Void
    ) async throws -> Bool {
        var text = ""
        self.begin(stream, &text)
        var cursor: RowCursor?
        var sent = 0
        var failure: CommandFailure?
        var wasStopped = false
        repeat {
            do {
                wasStopped = isStopped()
                if wasStopped { break }
                let wanted = stream.limit.map { $0 - sent } ?? .max
                guard wanted > 0 else { break }
                let slice = try await stream.slice(cursor, wanted)
                for row in slice.rows {
                    self.write(row, of: stream, isFirst: sent == 0, &text); sent += 1
                }
                cursor = slice.next
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                failure = error as? CommandFailure ?? CommandFailure(.ourFault, "\(error)")
            }
            if text.utf8.count >= Self.chunk {
                try await send(text)
                text.removeAll(keepingCapacity: true)
            }
        } while cursor != nil && failure == nil
        self.finish(stream, count: sent, failure: failure, wasStopped: wasStopped, &text)
        self.end(
            status: failure.map { "\($0.code.rawValue)" } ?? "ok", prompt: prompt, &text)
        try await send(text)
        return failure == nil
    }

    /// Writes lines as they come, until they end; `send` returns once there is room for more.
    package func live(
        _ watch: FeedWatch, prompt: String, to send: (String) async throws -> Void
    ) async throws {
        defer { watch.end() }
        var text = ""
        self.open(count: nil, &text)
        // The client has to know that only it can end this.
        if self.face == .framed { text += ".live \n" }
        if self.face != .machine, let opening = watch.opening { self.line(opening, &text) }
        if !text.isEmpty { try await send(text) }
        for await line in watch.lines {
            text = ""
            self.line(line, &text)
            try await send(text)
        }
        text = ""
        self.close(&text)
        self.end(status: "ok", prompt: prompt, &text)
        try await send(text)
    }

    /// Text is sent in pieces of about this size.
    static let chunk = 32_768

    /// Asks for a password; the echo is the connection's business.
    package func ask(_ words: String, to text: inout String) {
        switch self.face {
        case .people: text += words
        case .machine: break
        case .framed: text += ".password \(words)\n"
        }
    }

    // MARK: Frames

    private func end(status: String, prompt: String, _ text: inout String) {
        switch self.face {
        case .people: text += prompt
        case .machine: break
        case .framed: text += ".\(status) \(prompt)\n"
        }
    }

    private func single(_ line: String, _ text: inout String) {
        if self.face == .machine {
            text += "+ " + line + self.newline
        } else {
            self.line(line, &text)
        }
    }

    private func open(count: Int?, _ text: inout String) {
        if self.face == .machine {
            text += "* \(count.map { "\($0)" } ?? "-")" + self.newline
        }
    }

    private func close(_ text: inout String) {
        if self.face == .machine { text += "." + self.newline }
    }

    private func line(_ line: String, _ text: inout String) {
        if self.face != .people, line.utf8.first == UInt8(ascii: ".") { text += "." }
        text += line
        text += self.newline
    }

    private func write(_ table: Table, _ text: inout String) {
        if self.face == .machine {
            self.open(count: table.rows.count + (table.lastLine == nil ? 0 : 1), &text)
            for row in table.rows { self.line(table.lineForPrograms(of: row), &text) }
            if let last = table.lastLine { self.line(last, &text) }
            self.close(&text)
        } else {
            for line in table.linesForPeople { self.line(line, &text) }
        }
    }

    private func write(_ failure: CommandFailure, _ text: inout String) {
        switch self.face {
        case .machine:
            // An error is one line to programs, whatever it holds.
            let words = ([failure.sentence] + failure.details).joined(separator: "; ")
            text += "- \(failure.code.rawValue) "
            text += words.replacing("\n", with: " ") + self.newline
        case .people, .framed:
            self.line("% \(Self.capitalised(failure.sentence))", &text)
            for detail in failure.details { self.line("%   \(detail)", &text) }
        }
    }

    private static func capitalised(_ sentence: String) -> String {
        sentence.prefix(1).uppercased() + sentence.dropFirst()
    }

    // MARK: Streams

    private func begin(_ stream: RowStream, _ text: inout String) {
        if stream.wantsJSON {
            if self.face == .machine { text += "+ " }
            text += "{\"\(stream.table.rowsKey)\":["
        } else if self.face == .machine {
            self.open(count: nil, &text)
        } else {
            self.line(stream.table.headLine, &text)
        }
    }

    private func write(
        _ row: [Value], of stream: RowStream, isFirst: Bool, _ text: inout String
    ) {
        if stream.wantsJSON {
            if !isFirst { text += "," }
            text += stream.table.json(of: row)
        } else if self.face == .machine {
            self.line(stream.table.lineForPrograms(of: row), &text)
        } else {
            self.line(stream.table.lineForPeople(of: row), &text)
        }
    }

    private func finish(
        _ stream: RowStream, count: Int, failure: CommandFailure?, wasStopped: Bool,
        _ text: inout String
    ) {
        if stream.wantsJSON {
            text += "]"
            if wasStopped { text += ",\"interrupted\":true" }
            if let failure {
                var json = JSONText()
                json.string(failure.sentence)
                text += ",\"error\":\(json.text)"
            }
            text += "}" + self.newline
        } else if self.face == .machine {
            // In a list that broke off, the error is the last line before the dot.
            if let failure { self.write(failure, &text) }
            self.close(&text)
        } else if let failure {
            self.write(failure, &text)
        } else {
            let rows = stream.table.rowsKey.replacing("_", with: " ")
            let words = "\(count) \(count == 1 ? rows.dropLast() : rows[...])"
            self.line(wasStopped ? "interrupted after \(words)" : words, &text)
        }
    }
}
