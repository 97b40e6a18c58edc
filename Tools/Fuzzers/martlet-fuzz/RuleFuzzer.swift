// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import BGPWire
import FeedRules

/// The languages of rules: a pattern up to the first line feed, and bytes that it is asked about.
///
/// Both ways of following an expression agree, a set of prefixes holds what its patterns match,
/// what is read prints as something that reads again, and no bytes are too odd to look for
/// communities in.
func fuzzRules(_ bytes: UnsafeRawBufferPointer) {
    let end = bytes.firstIndex(of: 0x0a) ?? bytes.count
    let text = String(decoding: bytes[..<end], as: UTF8.self)
    let rest = Array(bytes.dropFirst(end + 1))
    if let expression = try? PathExpression(parsing: text) {
        let path = (try? ASPath(encoded: rest.span.bytes)) ?? ASPath(numbers(rest))
        require(
            expression.matches(path) == expression.matchesByProgram(path),
            "\(expression) in '\(path)'")
    }
    if let pattern = try? PrefixPattern(parsing: text) {
        require(
            (try? PrefixPattern(parsing: pattern.description)) == pattern, "\(pattern) comes back")
    }
    if let set = try? NumberSet(parsing: text) {
        for number in numbers(rest) {
            let isIn = set.ranges.contains { $0.contains(number.rawValue) }
            require(set.contains(number.rawValue) == isIn, "\(number) in \(set)")
        }
    }
    fuzzLists(String(decoding: bytes, as: UTF8.self), rest)
    fuzzCommunities(text, rest)
}

/// Up to a thousand of them.
private func numbers(_ bytes: [UInt8]) -> [ASNumber] {
    stride(from: 0, to: min(4000, bytes.count - 3), by: 4).map { offset in
        ASNumber(bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) })
    }
}

private func fuzzLists(_ text: String, _ rest: [UInt8]) {
    guard let list = try? PrefixList(parsing: text, name: "list"), list.patterns.count < 64 else {
        return
    }
    let set = PrefixSet(list.patterns)
    for pattern in list.patterns {
        for length in 0...pattern.prefix.family.width {
            let prefix = IPPrefix(masking: pattern.prefix.last, length: length)
            let matches = list.patterns.contains { $0.matches(prefix) }
            require(set.contains(prefix) == matches, "\(prefix) in \(list.patterns)")
        }
    }
}

private func fuzzCommunities(_ text: String, _ rest: [UInt8]) {
    let places = CommunityPlaces(in: rest.span.bytes)
    for place in [places.standard, places.extended, places.large] {
        require(place.upperBound <= rest.count, "\(place) lies in the attributes")
    }
    guard let pattern = try? CommunityPattern(parsing: text) else { return }
    var conditions = Conditions()
    conditions.communities = [pattern]
    let judge = RouteJudge(RuleSet(rules: [Rule(conditions, action: .reject)]))
    let facts = RouteFacts(path: ASPath(numbers(rest)), family: .ipv4)
    let judgement = judge.judge(
        facts, standard: rest.span.bytes, extended: rest.span.bytes, large: rest.span.bytes)
    require(judgement.isDecided, "communities don't ask for the prefix")
}
