// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Reads a router's table line by line, and remembers what is bad in it.
///
/// A path is complete with its origin code, be it on the first line or on one of those that continue
/// it: a network or a next hop that is too long for its column sends what follows to the next line,
/// and a terminal may have broken a long AS path.
struct TextDumpParser {
    private(set) var bad = BadLines()
    /// Whether any line was a table's heading.
    private(set) var sawTable = false

    /// Nil outside of tables.
    private var columns: TextDumpColumns?
    /// The last table's, from its end to the next heading of any kind.
    private var endedColumns: TextDumpColumns?
    /// Of the path before: another path for the same network leaves it out.
    private var prefix: IPPrefix?
    private var pending: Pending?
    /// The AS path and origin code so far: kept for its storage.
    private var pathText: [UInt8] = []
    private var scratch: [UInt8] = []

    /// A path that goes on on the next line.
    private struct Pending {
        /// What is to come first.
        enum Stage { case nextHop, numbers, path }

        var stage = Stage.nextHop
        var line: Int
        /// The first line, for a complaint.
        var text = ""
        var prefix: IPPrefix
        var status: TextDumpRoute.Status
        var validation: TextDumpRoute.Validation?
        var nextHop: IPAddress?
        var shift = 0
        var numbers = TextDumpColumns.Numbers(end: 0)
    }

    /// Takes the next line.
    ///
    /// - Returns: The path that it completes.
    mutating func take(
        _ line: Span<UInt8>, number: Int, wasCut: Bool = false
    ) -> TextDumpRoute? {
        if wasCut {
            if self.columns != nil { self.complain(line, number, 0, .lineTooLong(line.count)) }
            return nil
        }
        if TextLines.needsCleaning(line) {
            self.scratch.removeAll(keepingCapacity: true)
            TextLines.clean(line, into: &self.scratch)
            let cleaned = self.scratch
            return self.takeClean(
                cleaned.span.extracting(TextLines.withoutEnd(cleaned.span)), number)
        }
        return self.takeClean(line.extracting(TextLines.withoutEnd(line)), number)
    }

    /// The end of the file: a path that is not complete is a bad one, and so is a file without a
    /// table.
    mutating func finish() {
        self.abandon()
        if !self.sawTable, self.bad.count == 0 { self.bad.add(line: 1, column: 1, .noTable) }
    }

    private mutating func takeClean(_ line: Span<UInt8>, _ number: Int) -> TextDumpRoute? {
        guard !line.isEmpty else { return nil }
        if let columns = TextDumpColumns(heading: line) {
            self.abandon()
            self.columns = columns
            self.endedColumns = nil
            self.prefix = nil
            self.sawTable = true
            return nil
        }
        guard let columns = self.columns else {
            self.lookBehindEnd(line, number)
            return nil
        }
        if let pending, pending.stage == .path, ASPathText.isRest(line) {
            return self.addPath(line, number, from: 0, pending)
        }
        guard let start = Self.statusEnd(line, columns) else {
            if TextDumpEnd.isEnd(line) {
                self.endTable(columns)
            } else {
                self.complain(line, number, 0, .notARoute)
            }
            return nil
        }
        if TextDumpEnd.isEnd(line) {
            self.endTable(columns)
            return nil
        }
        let first = TextLines.field(of: line, in: start..<line.count)
        if let pending, Self.isBlank(line, start), !Self.isNetwork(first, columns) {
            return self.proceed(line, number, first, pending, columns)
        }
        self.abandon()
        return self.begin(line, number, start, first, columns)
    }

    private mutating func endTable(_ columns: TextDumpColumns) {
        self.abandon()
        self.columns = nil
        self.endedColumns = columns
    }

    /// A line between tables may be anything, but a route there has lost its table, and is told.
    private mutating func lookBehindEnd(_ line: Span<UInt8>, _ number: Int) {
        guard let columns = self.endedColumns else { return }
        if TextDumpColumns.isHeading(line) {
            // Of another kind of table, which is not ours.
            self.endedColumns = nil
        } else if Self.isRoute(line, columns) {
            self.complain(line, number, 0, .behindEnd)
        }
    }

    // MARK: A line's parts

    /// Whether a line between tables is a path's first: codes, what may be meant as a network
    /// unless it is left out, and a next hop unless that is on the next line.
    ///
    /// Static routes of `show ip route` have codes and networks too, but no next hop behind them.
    private static func isRoute(_ line: Span<UInt8>, _ columns: TextDumpColumns) -> Bool {
        guard let start = Self.statusEnd(line, columns), !Self.isBlank(line, start) else {
            return false
        }
        var nextHop = TextLines.field(of: line, in: start..<line.count)
        guard !nextHop.isEmpty else { return false }
        if Self.isNetwork(nextHop, columns) {
            guard Self.looksLikeNetwork(line.extracting(nextHop)) else { return false }
            nextHop = TextLines.field(of: line, in: nextHop.upperBound..<line.count)
            guard !nextHop.isEmpty else { return true }
        }
        switch NextHopText(parsing: line.extracting(nextHop)) {
        case .address: return true
        case .name:
            return Self.origin(line[line.count - 1]) != nil
                && line[line.count - 2] == UInt8(ascii: " ")
        case nil: return false
        }
    }

    /// Digits of an address with a dot or a colon among them, right or wrong.
    private static func looksLikeNetwork(_ field: Span<UInt8>) -> Bool {
        var isSeparated = false
        for position in field.indices {
            switch UnicodeScalar(field[position]) {
            case ".", ":": isSeparated = true
            case "/": break
            default: guard Self.isHexadecimal(field[position]) else { return false }
            }
        }
        return isSeparated
    }

    /// Where the codes before a path end, or nil where they are no codes.
    ///
    /// That is where the heading has its network, or up to two columns beside it.
    private static func statusEnd(_ line: Span<UInt8>, _ columns: TextDumpColumns) -> Int? {
        var position = 0
        while position < line.count, position < columns.network + 2,
            TextDumpRoute.isStatus(line[position]),
            position < columns.network || !Self.isHexadecimal(line[position])
        {
            position += 1
        }
        return position == line.count || position >= columns.network - 1 ? position : nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch UnicodeScalar(byte) {
        case "0"..."9", "a"..."f", "A"..."F": true
        default: false
        }
    }

    /// Whether a field stands nearer to the networks than to the next hops.
    private static func isNetwork(_ field: Range<Int>, _ columns: TextDumpColumns) -> Bool {
        field.lowerBound < (columns.network + columns.nextHop) / 2
    }

    private static func isBlank(_ line: Span<UInt8>, _ end: Int) -> Bool {
        for position in 0..<end where line[position] != UInt8(ascii: " ") { return false }
        return true
    }

    /// A path's first line.
    private mutating func begin(
        _ line: Span<UInt8>, _ number: Int, _ start: Int, _ first: Range<Int>,
        _ columns: TextDumpColumns
    ) -> TextDumpRoute? {
        guard !first.isEmpty else {
            self.complain(line, number, 0, .notARoute)
            return nil
        }
        var status: TextDumpRoute.Status = []
        var validation: TextDumpRoute.Validation?
        for position in 0..<start {
            TextDumpRoute.add(line[position], to: &status, &validation)
        }
        var nextHop = first
        if Self.isNetwork(first, columns) {
            do throws(AddressSyntaxError) {
                self.prefix = nil
                self.prefix = try ClassfulNetwork.prefix(parsing: line.extracting(first))
            } catch {
                self.complain(
                    line, number, first.lowerBound + error.offset, .syntax(error.reason))
                return nil
            }
            nextHop = TextLines.field(of: line, in: first.upperBound..<line.count)
        }
        guard let prefix = self.prefix else {
            self.complain(line, number, first.lowerBound, .noPrefixBefore)
            return nil
        }
        let pending = Pending(
            line: number, prefix: prefix, status: status, validation: validation)
        guard !nextHop.isEmpty else {
            self.wait(pending, line)
            return nil
        }
        return self.addNextHop(line, number, nextHop, pending, columns)
    }

    /// The path goes on on the next line.
    private mutating func wait(_ pending: Pending, _ line: Span<UInt8>) {
        self.pending = pending
        if pending.text.isEmpty { self.pending?.text = Self.quoted(line) }
    }

    /// A line that continues a path.
    private mutating func proceed(
        _ line: Span<UInt8>, _ number: Int, _ first: Range<Int>, _ pending: Pending,
        _ columns: TextDumpColumns
    ) -> TextDumpRoute? {
        switch pending.stage {
        case .nextHop: return self.addNextHop(line, number, first, pending, columns)
        case .numbers: return self.addNumbers(line, number, from: 0, pending, columns)
        case .path: return self.addPath(line, number, from: 0, pending)
        }
    }

    private mutating func addNextHop(
        _ line: Span<UInt8>, _ number: Int, _ field: Range<Int>, _ pending: Pending,
        _ columns: TextDumpColumns
    ) -> TextDumpRoute? {
        var pending = pending
        switch NextHopText(parsing: line.extracting(field)) {
        case .address(let address): pending.nextHop = address
        case .name: break
        case nil:
            self.complain(line, number, field.lowerBound, .noNextHop)
            return nil
        }
        let shift = field.lowerBound - columns.nextHop
        pending.shift = abs(shift) <= 3 ? shift : 0
        return self.addNumbers(line, number, from: field.upperBound, pending, columns)
    }

    private mutating func addNumbers(
        _ line: Span<UInt8>, _ number: Int, from start: Int, _ pending: Pending,
        _ columns: TextDumpColumns
    ) -> TextDumpRoute? {
        var pending = pending
        if TextLines.field(of: line, in: start..<line.count).isEmpty {
            pending.stage = .numbers
            self.wait(pending, line)
            return nil
        }
        guard let numbers = columns.numbers(in: line, from: start, shift: pending.shift),
            numbers.weight != nil
        else {
            self.complain(line, number, start, .notInColumns)
            return nil
        }
        pending.numbers = numbers
        pending.stage = .path
        self.pathText.removeAll(keepingCapacity: true)
        return self.addPath(line, number, from: numbers.end, pending)
    }

    private mutating func addPath(
        _ line: Span<UInt8>, _ number: Int, from start: Int, _ pending: Pending
    ) -> TextDumpRoute? {
        for position in start..<line.count { self.pathText.append(line[position]) }
        guard let code = self.pathText.last, let origin = Self.origin(code),
            self.pathText.count == 1 || self.pathText[self.pathText.count - 2] == UInt8(ascii: " ")
        else {
            // A blank stands for the end of the line.
            self.pathText.append(UInt8(ascii: " "))
            guard self.pathText.count <= LineSource.maximumLength else {
                self.complain(line, number, start, .noOriginCode)
                return nil
            }
            self.wait(pending, line)
            return nil
        }
        self.pathText.removeLast()
        self.pending = nil
        do throws(AddressSyntaxError) {
            let path = try ASPathText.parse(self.pathText.span)
            return TextDumpRoute(
                line: pending.line, prefix: pending.prefix, status: pending.status,
                validation: pending.validation, nextHop: pending.nextHop,
                metric: pending.numbers.metric,
                localPreference: pending.numbers.localPreference,
                weight: pending.numbers.weight ?? 0, asPath: path, origin: origin)
        } catch {
            self.complain(
                line, number, min(line.count, start + error.offset), .syntax(error.reason))
            return nil
        }
    }

    private static func origin(_ code: UInt8) -> TextDumpRoute.Origin? {
        switch UnicodeScalar(code) {
        case "i": .igp
        case "e": .egp
        case "?": .incomplete
        default: nil
        }
    }

    // MARK: Complaints

    private mutating func complain(
        _ line: Span<UInt8>, _ number: Int, _ position: Int, _ reason: BadLine.Reason
    ) {
        self.pending = nil
        self.bad.add(
            line: number, column: position + 1, reason, found: Self.quoted(line))
    }

    private static func quoted(_ line: Span<UInt8>) -> String {
        BadLines.quoted(line, limit: 160)
    }

    /// A path that another line ends before it is complete.
    private mutating func abandon() {
        guard let pending = self.pending else { return }
        self.pending = nil
        let reason: BadLine.Reason =
            switch pending.stage {
            case .nextHop: .noNextHop
            case .numbers: .notInColumns
            case .path: .noOriginCode
            }
        self.bad.add(line: pending.line, column: 1, reason, found: pending.text)
    }
}

/// Next hops as routers print them.
enum NextHopText: Hashable, Sendable {
    case address(IPAddress)
    /// Of a host or an interface.
    case name

    /// Reads an address, or a name in its place, with what FRR puts behind it: `@3<` for one of
    /// another VRF, `(host)` for a peer's name. Nil where it is neither.
    init?(parsing bytes: Span<UInt8>) {
        var end = 0
        while end < bytes.count, !Self.isEnd(bytes[end]) { end += 1 }
        guard end > 0 else { return nil }
        if let address = try? IPAddress(parsing: bytes.extracting(0..<end)) {
            self = .address(address)
            return
        }
        // A name has a letter; a number alone is what stands further right.
        var hasLetter = false
        for position in 0..<end {
            switch UnicodeScalar(bytes[position]) {
            case "a"..."z", "A"..."Z": hasLetter = true
            case "0"..."9", "-", ".", "_", ":", "/": break
            default: return nil
            }
        }
        guard hasLetter else { return nil }
        self = .name
    }

    private static func isEnd(_ byte: UInt8) -> Bool {
        switch UnicodeScalar(byte) {
        case "@", "<", "(", "%": true
        default: false
        }
    }
}

/// Lines that end a table: what routers print behind it or before the next one, and prompts.
enum TextDumpEnd {
    private static let beginnings: [StaticString] = [
        "Total number of", "Displayed ", "Processed ", "BGP table version", "For address family",
        "Status codes:", "Instance ", "No BGP ",
    ]

    static func isEnd(_ line: Span<UInt8>) -> Bool {
        let first = TextLines.field(of: line, in: 0..<line.count)
        guard !first.isEmpty else { return false }
        for beginning in Self.beginnings
        where Self.has(beginning, line, at: first.lowerBound) {
            return true
        }
        return first.lowerBound == 0 && Self.isPrompt(line)
    }

    private static func has(_ word: StaticString, _ line: Span<UInt8>, at start: Int) -> Bool {
        guard start + word.utf8CodeUnitCount <= line.count else { return false }
        for index in 0..<word.utf8CodeUnitCount where line[start + index] != word.utf8Start[index] {
            return false
        }
        return true
    }

    /// `router>`, `router#show version`, `user@host:~$ `: a name and one of the usual signs. One
    /// letter and a sign is a path's code.
    private static func isPrompt(_ line: Span<UInt8>) -> Bool {
        for position in line.indices {
            switch UnicodeScalar(line[position]) {
            case ">", "#", "$": return position > 1
            case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", ":", "@", "~", "/", "(", ")": break
            default: return false
            }
        }
        return false
    }
}
