// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

package import Addressing
import Choice
import JSON

/// A field of a reply, before it is written for people, for programs or as JSON.
package enum Value: Hashable, Sendable {
    /// Not known: `-`, or `null`.
    case none
    case text(String)
    /// Words that are a line, or the beginning of one.
    case line(String)
    case integer(Int)
    /// Rounded to a whole number, but for JSON.
    case real(Double)
    /// Rounded to tenths, but for JSON.
    case tenths(Double)
    case flag(Bool)
    case list([String])
    /// Seconds since something happened.
    case age(Int)
    case path(ASPath)

    package static func text(_ text: String?) -> Value { text.map { .text($0) } ?? .none }
    package static func integer(_ value: Int?) -> Value { value.map { .integer($0) } ?? .none }
    package static func real(_ value: Double?) -> Value { value.map { .real($0) } ?? .none }
    package static func tenths(_ value: Double?) -> Value { value.map { .tenths($0) } ?? .none }
    package static func age(_ value: Int?) -> Value { value.map { .age($0) } ?? .none }

    /// As people read it.
    package var forPeople: String {
        switch self {
        case .none: "-"
        case .text(let text): text.isEmpty ? "-" : text
        case .line(let text): text
        case .integer(let value): "\(value)"
        case .real(let value): "\(Self.rounded(value))"
        case .tenths(let value): Self.tenths(value)
        case .flag(let value): value ? "yes" : "no"
        case .list(let list): list.isEmpty ? "-" : list.joined(separator: " ")
        case .age(let seconds): Self.clock(seconds)
        case .path(let path): path.isEmpty ? "-" : path.description
        }
    }

    /// As a word without blanks: the value of `key=value`.
    package var forPrograms: String {
        switch self {
        case .none: "-"
        case .text(let text): Self.word(text)
        case .line(let text): text
        case .integer(let value): "\(value)"
        case .real(let value): "\(Self.rounded(value))"
        case .tenths(let value): Self.tenths(value)
        case .flag(let value): value ? "yes" : "no"
        case .list(let list): Self.word(list.joined(separator: ","))
        case .age(let seconds): "\(seconds)"
        case .path(let path): Self.word(path.description.replacing(" ", with: ","))
        }
    }

    func write(to json: inout JSONText) {
        switch self {
        case .none: json.null()
        case .text(let text), .line(let text): json.string(text)
        case .integer(let value), .age(let value): json.integer(value)
        case .real(let value), .tenths(let value): json.real(value)
        case .flag(let value): json.flag(value)
        case .list(let list):
            json.array { json in for item in list { json.element { $0.string(item) } } }
        case .path(let path):
            // A set is an array in the array, as RIS Live does.
            json.array { json in
                for segment in path.segments {
                    let isSequence =
                        segment.kind == .sequence || segment.kind == .confederationSequence
                    func members(_ json: inout JSONText) {
                        for member in segment.members {
                            json.element { $0.integer(Int(member.rawValue)) }
                        }
                    }
                    if isSequence {
                        members(&json)
                    } else {
                        json.element { $0.array(members) }
                    }
                }
            }
        }
    }

    static func tenths(_ value: Double) -> String {
        let tenths = Self.rounded(value * 10)
        return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
    }

    static func rounded(_ value: Double) -> Int { Int(rounding: value) }

    /// No blank, control character or nothing at all may stand where programs expect a word.
    package static func word(_ text: String) -> String {
        guard !text.isEmpty else { return "-" }
        guard text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }) else { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value <= 0x20 || $0.value == 0x7f ? "_" : $0 }))
    }

    /// `1 route`, `2 routes`.
    package static func count(_ number: some BinaryInteger, _ one: String) -> String {
        "\(number) \(one)\(number == 1 ? "" : "s")"
    }

    /// `01:02:03`, then `4d05h`, then `3w2d`, as routers show ages.
    package static func clock(_ seconds: Int) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let seconds = max(0, seconds)
        let (hours, days) = (seconds / 3600, seconds / 86400)
        return switch days {
        case 0: "\(two(hours)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        case 1..<7: "\(days)d\(two(hours % 24))h\(two(seconds / 60 % 60))m"
        default: "\(two(days / 7))w\(days % 7)d\(two(hours % 24))h"
        }
    }
}

extension JSONText {
    /// One key of an object and its value.
    mutating func key(_ name: String, _ value: Value) {
        self.key(name) { value.write(to: &$0) }
    }
}
