// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import FeedRules

/// The rules and options of feeds, and the named lists that they use.
extension ConfigurationReader {
    // MARK: Named lists

    /// `prefix-lists: { customers: [203.0.113.0/24+], bogons: { file: bogons.prefixes } }`
    mutating func readPrefixLists(_ value: Value) {
        for entry in value.mapping()?.entries ?? [] {
            self.checkName(entry, "prefix list")
            let named = entry.value.named("prefix list '\(entry.key)'")
            var list = PrefixList(name: entry.key, patterns: [])
            if named.isMapping {
                guard let mapping = named.mapping(allowed: ["file"]),
                    let file = mapping.require("file"), let path = self.file(file)
                else { continue }
                list = self.prefixList(entry.key, path, file)
            } else {
                list.patterns = named.elements("each of \(entry.key)").compactMap {
                    $0.prefixPattern()
                }
            }
            self.prefixLists[entry.key] = list
        }
    }

    /// A list from its file, where files are looked at. That it can't be opened is complained of
    /// with the other files.
    private func prefixList(_ name: String, _ path: String, _ value: Value) -> PrefixList {
        let empty = PrefixList(name: name, patterns: [])
        guard self.readsFiles else { return empty }
        let bytes: [UInt8]
        switch TextFile.read(path, maximum: Self.mostListBytes) {
        case .success(let read): bytes = read
        case .failure(let failure):
            if TextFile.problem(reading: path) == nil { value.complain("\(path): \(failure)") }
            return empty
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            value.complain("\(path) is not UTF-8")
            return empty
        }
        do throws(PrefixList.LineError) {
            var list = try PrefixList(parsing: text, name: name)
            list.name = name
            if list.patterns.isEmpty { value.complain("\(path) has no prefixes in it") }
            return list
        } catch {
            value.complain("\(path):\(error.line):\(error.column): \(error.words)")
            return empty
        }
    }

    private static let mostListBytes = 64 << 20

    /// `rules: { satellite: [ … ] }`, for feeds to name.
    mutating func readRuleLists(_ value: Value) {
        guard value.isMapping || value.isEmpty else {
            value.mustBe("a mapping of named lists of rules, for feeds to name")
            return
        }
        for entry in value.mapping()?.entries ?? [] {
            self.checkName(entry, "list of rules")
            let named = entry.value.named("rules '\(entry.key)'")
            self.ruleLists[entry.key] = named.elements("each of \(entry.key)").compactMap {
                self.rule($0)
            }
        }
    }

    // MARK: Options

    static let optionKeys = [
        "prepends", "local-preference", "prefix-lengths", "bogons", "default-route",
    ]

    /// The options in a mapping; what isn't said there is as in `options`.
    func feedOptions(_ mapping: Mapping, default options: FeedOptions) -> FeedOptions {
        var options = options
        enum Prepends: String, CaseIterable { case all, once }
        if let word = mapping["prepends"]?.choice(of: Prepends.self) {
            options.countsPrependsOnce = word == .once
        }
        enum DefaultRoute: String, CaseIterable { case ignore, accept }
        if let word = mapping["default-route"]?.choice(of: DefaultRoute.self) {
            options.acceptsDefaultRoute = word == .accept
        }
        if let value = mapping["local-preference"], let levels = Self.preferenceLevels(value) {
            options.preferenceLevels = levels
        }
        if let value = mapping["prefix-lengths"],
            let lengths = value.mapping(allowed: ["ipv4", "ipv6"])
        {
            options.lengthsIPv4 =
                lengths["ipv4"]?.lengthRange(.ipv4) ?? options.lengthsIPv4
            options.lengthsIPv6 =
                lengths["ipv6"]?.lengthRange(.ipv6) ?? options.lengthsIPv6
        }
        if let value = mapping["bogons"], let name = value.text("a prefix list's name, or none") {
            options.bogons = name == "none" ? nil : self.prefixList(named: name, value)
        }
        return options
    }

    /// `ignore`, `first`, or levels from the best down.
    private static func preferenceLevels(_ value: Value) -> [UInt32]? {
        enum Word: String, CaseIterable { case ignore, first }
        guard value.isList else {
            switch value.plainText {
            case "ignore": return []
            case "first": return FeedOptions.usualLevels
            default:
                value.mustBe(
                    "ignore, first, or a list of levels as [300, 200, 100]",
                    hint: value.plainText.map {
                        Spelling.hint($0, among: Word.allCases.map(\.rawValue))
                    } ?? "")
                return nil
            }
        }
        let elements = value.elements("each of local-preference")
        guard elements.count <= FeedOptions.maximumLevels else {
            value.complain(
                "local-preference can have \(FeedOptions.maximumLevels) levels, not "
                    + "\(elements.count)")
            return nil
        }
        var levels: [UInt32] = []
        for element in elements {
            guard let level = element.integer(0...Int(UInt32.max)) else { return nil }
            if let last = levels.last, UInt32(level) >= last {
                element.complain("levels go from the best down: \(level) comes after \(last)")
                return nil
            }
            levels.append(UInt32(level))
        }
        return levels
    }

    private func prefixList(named name: String, _ value: Value) -> PrefixList? {
        if let list = self.prefixLists[name] { return list }
        value.complain(
            "there is no prefix list '\(name)'"
                + Spelling.hint(name, among: self.prefixLists.keys.sorted())
                + (self.prefixLists.isEmpty ? ": prefix-lists has none" : ""))
        return nil
    }

    // MARK: Rules

    /// A feed's rules: each a rule, or the name of a list of them.
    func rules(_ value: Value) -> [Rule] {
        value.elements("each of rules").flatMap { element -> [Rule] in
            guard !element.isMapping else { return self.rule(element).map { [$0] } ?? [] }
            guard let name = element.plainText else {
                element.mustBe("a rule (a mapping), or the name of a list of rules")
                return []
            }
            guard let list = self.ruleLists[name] else {
                element.complain(
                    "there is no list of rules '\(name)'"
                        + Spelling.hint(name, among: self.ruleLists.keys.sorted())
                        + (self.ruleLists.isEmpty ? ": the file has no rules: of its own" : ""))
                return []
            }
            return list
        }
    }

    private static let conditionKeys = [
        "prefix", "as-path", "community", "next-hop", "family", "med", "local-preference",
        "validation",
    ]
    private static let actionKeys = ["reject", "accept", "penalty", "distance"]

    private func rule(_ value: Value) -> Rule? {
        let value = value.named("the rule")
        let keys = Self.conditionKeys + ["not"] + Self.actionKeys + ["tag"]
        guard value.isMapping else {
            value.mustBe(
                "a mapping of conditions and an action, as { community: \"65000:666\", reject: true }"
            )
            return nil
        }
        guard let mapping = value.mapping(allowed: keys) else { return nil }
        let conditions = self.conditions(mapping)
        var exceptions: Conditions?
        if let not = mapping["not"] {
            guard let inner = not.mapping(allowed: Self.conditionKeys) else { return nil }
            if not.isVacant { not.complain("not has no condition in it") }
            exceptions = self.conditions(inner)
        }
        let tags = mapping["tag"]?.elements("each of tag").compactMap { $0.tag() } ?? []
        guard let action = Self.action(mapping, isTagged: mapping["tag"] != nil) else { return nil }
        return Rule(conditions, except: exceptions, action: action, tags: tags)
    }

    private static func action(_ mapping: Mapping, isTagged: Bool) -> Rule.Action? {
        let said = self.actionKeys.filter { mapping[$0] != nil }
        guard said.count <= 1 else {
            mapping.document.complain(
                at: mapping.position(of: said[1]),
                "a rule has one action: \(said[0]) or \(said[1])")
            return nil
        }
        func hops(_ value: Value) -> UInt8? {
            value.integer(0...Rule.maximumHops).map { UInt8($0) }
        }
        switch said.first.flatMap({ mapping[$0] }) {
        case let value? where value.name == "penalty": return hops(value).map { .penalty($0) }
        case let value? where value.name == "distance": return hops(value).map { .distance($0) }
        case let value?:
            guard value.plainText == "true" else {
                value.mustBe("true (a rule that doesn't \(value.name) says something else)")
                return nil
            }
            guard value.name == "reject" else { return .accept }
            if isTagged {
                mapping.document.complain(
                    at: mapping.position(of: "tag"),
                    "a rejected route isn't there to have a tag")
            }
            return .reject
        case nil:
            guard isTagged else {
                mapping.complain(
                    "the rule has no action: reject: true, accept: true, penalty: HOPS, "
                        + "distance: HOPS or tag: NAME")
                return nil
            }
            return .accept
        }
    }

    // MARK: Conditions

    private func conditions(_ mapping: Mapping) -> Conditions {
        var conditions = Conditions()
        for element in mapping["prefix"]?.elements("each of prefix") ?? [] {
            // A list's name has no slash.
            if let name = element.plainText, !name.contains("/") {
                if let list = self.prefixList(named: name, element) {
                    conditions.prefixes.append(.list(list))
                }
            } else if let pattern = element.prefixPattern() {
                conditions.prefixes.append(.pattern(pattern))
            }
        }
        if let path = mapping["as-path"] { self.readPath(path, into: &conditions) }
        conditions.communities =
            mapping["community"]?.elements("each of community").compactMap {
                $0.pattern("a community") { text throws(RuleSyntaxError) in
                    try CommunityPattern(parsing: text)
                }
            } ?? []
        conditions.nextHops =
            mapping["next-hop"]?.elements("each of next-hop").compactMap { $0.block() } ?? []
        enum Family: String, CaseIterable { case ipv4, ipv6 }
        conditions.family = mapping["family"]?.choice(of: Family.self).map {
            $0 == .ipv4 ? .ipv4 : .ipv6
        }
        conditions.multiExitDiscriminator = mapping["med"]?.numbers("each of med")
        conditions.localPreference =
            mapping["local-preference"]?.numbers("each of local-preference")
        let names = ValidationStates.names.map(\.name)
        for element in mapping["validation"]?.elements("each of validation") ?? [] {
            guard let name = element.plainText,
                let state = ValidationStates.names.first(where: { $0.name == name })
            else {
                element.mustBe(
                    Value.either(names),
                    hint: element.plainText.map { Spelling.hint($0, among: names) } ?? "")
                continue
            }
            conditions.validation.insert(state.state)
        }
        return conditions
    }

    /// `any`, expressions, or a mapping of simple forms.
    private func readPath(_ value: Value, into conditions: inout Conditions) {
        guard value.isMapping else {
            if value.plainText != "any" { conditions.paths = self.paths(value) }
            return
        }
        let keys = ["matches", "first", "origin", "contains", "length"]
        guard let path = value.mapping(allowed: keys) else { return }
        if value.isVacant { value.complain("as-path has no condition in it") }
        conditions.paths = path["matches"].map(self.paths) ?? []
        conditions.firstAS = path["first"]?.numbers("each of first")
        conditions.originAS = path["origin"]?.numbers("each of origin")
        conditions.containedAS = path["contains"]?.numbers("each of contains")
        conditions.pathLength = path["length"]?.numbers("each of length")
    }

    private func paths(_ value: Value) -> [PathExpression] {
        value.elements("each of as-path").compactMap {
            $0.pattern("an AS-path expression") { text throws(RuleSyntaxError) in
                try PathExpression(parsing: text)
            }
        }
    }
}
