// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    /// A feed with options, on the second line; where they begin is column 51.
    private static func feed(_ options: String) -> String {
        Reading.sites + "feeds: { f: { site: tokyo, mrt: { file: r, peer-as: 1 }, \(options) } }\n"
    }

    static let rules: [BadInput] = [
        BadInput(
            "a rule without an action",
            Self.feed("rules: [ { family: ipv4 } ]"),
            [
                "2:67: the rule has no action: reject: true, accept: true, penalty: HOPS, "
                    + "distance: HOPS or tag: NAME"
            ]),
        BadInput(
            "a rule with two actions",
            Self.feed("rules: [ { reject: true, penalty: 3 } ]"),
            ["2:83: a rule has one action: reject or penalty"]),
        BadInput(
            "a rule that rejects not",
            Self.feed("rules: [ { reject: no } ]"),
            [
                "2:77: reject must be true (a rule that doesn't reject says something else), "
                    + "not 'no'"
            ]),
        BadInput(
            "a rejected route's tag",
            Self.feed("rules: [ { reject: true, tag: x } ]"),
            ["2:83: a rejected route isn't there to have a tag"]),
        BadInput(
            "a misspelt condition",
            Self.feed("rules: [ { comunity: \"1:1\", reject: true } ]"),
            ["2:69: unknown key 'comunity' in the rule; did you mean 'community'?"]),
        BadInput(
            "a bad expression, with its column",
            Self.feed("rules: [ { as-path: \"^65000_(1299$\", reject: true } ]"),
            [
                "2:86: each of as-path must be an AS-path expression, not '^65000_(1299$': "
                    + "there is no ')' for this '('"
            ]),
        BadInput(
            "a bad expression without quotes",
            Self.feed("rules: [ { as-path: 65000-65010, reject: true } ]"),
            [
                "2:83: each of as-path must be an AS-path expression, not '65000-65010': '-' "
                    + "never stands in an AS path; for a range of AS numbers use first, origin or "
                    + "contains"
            ]),
        BadInput(
            "a bad prefix, community, number and state",
            Self.feed(
                "rules: [ { prefix: 10.0.0.1/8, community: \"70000:1\", med: 5-1, "
                    + "validation: unknown, penalty: 255 } ]"),
            [
                "2:77: each of prefix must be a prefix, as 10.0.0.0/8, 10.0.0.0/8+ or "
                    + "10.0.0.0/8{16,24}, not '10.0.0.1/8': bits are set beyond the prefix length; "
                    + "did you mean 10.0.0.0/8?",
                "2:101: each of community must be a community, not '70000:1': at most 65535 is "
                    + "possible",
                "2:116: each of med must be a number, a range (5-10) or a comparison (>= 5), not "
                    + "'5-1': the range ends before it begins",
                "2:133: each of validation must be valid, not-found, invalid or not-checked, not "
                    + "'unknown'",
                "2:151: penalty must be a whole number from 0 to 254, not 255",
            ]),
        BadInput(
            "lists that there aren't",
            "prefix-lists: { customers: 10.0.0.0/8 }\nrules: { satellite: [ { penalty: 1 } ] }\n"
                + Self.feed(
                    "rules: [ sattelite, { prefix: custmers, reject: true } ], bogons: bogus"),
            [
                "4:67: there is no list of rules 'sattelite'; did you mean 'satellite'?",
                "4:88: there is no prefix list 'custmers'; did you mean 'customers'?",
                "4:124: there is no prefix list 'bogus'",
            ]),
        BadInput(
            "rules of a file that has none",
            Self.feed("rules: x"),
            ["2:65: there is no list of rules 'x': the file has no rules: of its own"]),
        BadInput(
            "prefix lengths with a gap",
            Self.feed("prefix-lengths: { ipv4: \"!= 20\" }"),
            [
                "2:83: ipv4 must be prefix lengths, as 8-24, not '!= 20': lengths from one to "
                    + "another, without a gap, are wanted"
            ]),
        BadInput(
            "options that can't be",
            Self.feed(
                "prepends: twice, default-route: yes, prefix-lengths: { ipv4: 8-33 }, "
                    + "local-preference: furst"),
            [
                "2:68: prepends must be all or once, not 'twice'",
                "2:90: default-route must be ignore or accept, not 'yes'",
                "2:119: ipv4 must be prefix lengths, as 8-24, not '8-33': at most 32 is possible",
                "2:145: local-preference must be ignore, first, or a list of levels as "
                    + "[300, 200, 100], not 'furst'; did you mean 'first'?",
            ]),
        BadInput(
            "levels that go up",
            Self.feed("local-preference: [100, 200]"),
            ["2:82: levels go from the best down: 200 comes after 100"]),
        BadInput(
            "an exception without conditions, and one with an action",
            Self.feed("rules: [ { not: {}, penalty: 1 }, { not: { reject: true }, tag: x } ]"),
            [
                "2:74: not has no condition in it",
                "2:101: unknown key 'reject' in not (allowed: prefix, as-path, community, "
                    + "next-hop, family, med, local-preference, validation)",
            ]),
        BadInput(
            "a tag that no console could show",
            Self.feed("rules: [ { tag: \"a b\" } ]"),
            [
                "2:74: each of tag must be a word of letters, digits, '-', '_' and '.', at most "
                    + "64 characters, not 'a b'"
            ]),
        BadInput(
            "paths that are counted and read through sites",
            Self.feed("read: through-sites, prepends: once"),
            [
                "2:89: feed 'f' reads the paths through sites, and so counts them as they are: "
                    + "neither prepends: once nor levels of local-preference go with it"
            ]),
        BadInput(
            "rules at the top that have no name",
            "rules: [ { penalty: 1 } ]\n" + Reading.sites,
            ["1:8: rules must be a mapping of named lists of rules, for feeds to name, not a list"]),
    ]
}
