// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

extension BadInputTests {
    static let yaml: [BadInput] = [
        BadInput(
            "nothing",
            "",
            [
                "1:1: the file is empty"
            ]),
        BadInput(
            "comments alone",
            "# nothing\n",
            [
                "1:1: the file is empty"
            ]),
        BadInput(
            "an empty document",
            """
            ---
            ...

            """,
            [
                "2:1: the file has no sites"
            ]),
        BadInput(
            "a tab",
            "sites:\n\u{9}a: 1\n",
            [
                "2:1: this is not YAML: a tab stands here, where blanks must"
            ]),
        BadInput(
            "an address without quotes in braces",
            "feeds: { f: { bgp: { peer: ::1 } } }\n",
            [
                "1:28: this is not YAML: while parsing a flow node, did not find expected node "
                    + "content (an address that begins with colons needs quotes)"
            ]),
        BadInput(
            "a bracket that isn't closed",
            """
            sites: { a: { as: 1 }
            log: {}

            """,
            [
                "2:1: this is not YAML: while parsing a flow mapping, did not find "
                    + "expected ',' or '}'"
            ]),
        BadInput(
            "a quote that isn't closed",
            """
            sites: "a
            b

            """,
            [
                "3:1: this is not YAML: while scanning a quoted scalar, found unexpected "
                    + "end of stream"
            ]),
        BadInput(
            "a colon too many",
            "sites: a: b\n",
            [
                "1:9: this is not YAML: mapping values are not allowed in this context"
            ]),
        BadInput(
            "an indentation that is none",
            """
            sites:
              a: { as: 1 }
             b: { as: 2 }

            """,
            [
                "3:2: this is not YAML: while parsing a block mapping, did not find expected key"
            ]),
        BadInput(
            "an alias without an anchor",
            "sites: *a\n",
            [
                "1:8: there is no anchor '&a' before this"
            ]),
        BadInput(
            "two documents",
            """
            a: 1
            ---
            b: 2

            """,
            [
                "2:1: a second document begins here: one file has one document"
            ]),
        BadInput(
            "an escape that is none",
            "sites: \"\\q\"\n",
            [
                "1:9: this is not YAML: while parsing a quoted scalar, found unknown "
                    + "escape character"
            ]),
        BadInput(
            "a surrogate",
            "sites: \"\\ud800\"\n",
            [
                "1:11: this is not YAML: while parsing a quoted scalar, found invalid "
                    + "Unicode character escape code"
            ]),
        BadInput(
            "a control character",
            "sites: \u{1}\n",
            [
                "1:8: this is not YAML: control characters are not allowed"
            ]),
        BadInput(
            "an anchor within itself",
            "sites: &a { b: *a }\n",
            [
                "1:16: there is no anchor '&a' before this"
            ]),
        BadInput(
            "a tag",
            "sites: !!python/object:os.system { a: { as: 1 } }\n",
            [
                "1:8: tags (!…) have no meaning here"
            ]),
        BadInput(
            "a directive",
            """
            %YAML 9.9
            ---
            sites: {}

            """,
            [
                "1:1: this is not YAML: found incompatible YAML document"
            ]),
        BadInput(
            "a list nested deeply",
            "a: "
                + "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
            [
                "1:67: values are nested more than 64 levels deep"
            ]),
        BadInput(
            "a control character further on",
            "sites:\n  é: \u{2}\n",
            [
                "2:6: this is not YAML: control characters are not allowed"
            ]),
    ]
}

extension BadInputTests {
    static let several: [BadInput] = [
        BadInput(
            "all at once, in the file's order",
            """
            zones:
              example.com: { ns: [], tll: 5 }
            log: { level: loud }
            feeds:
              f: { site: b }
              g: { bgp: {}, mrt: {} }
            sites:
              a: { as: 0, weight: x, addresses: [1, 2] }

            """,
            [
                "2:22: ns has nothing in it",
                "2:26: unknown key 'tll' in zone 'example.com'; did you mean 'ttl'?",
                "3:15: level must be trace, debug, info, notice, warning, error or "
                    + "critical, not 'loud'",
                "5:3: feed 'f' needs bgp, bmp, mrt or text",
                "5:14: there is no site 'b' (sites: a)",
                "6:3: feed 'g' has no site",
                "6:22: feed 'g' is either bgp or mrt, not both",
                "8:12: as must be an AS number from 1 to 4294967295, not 0",
                "8:23: weight must be a whole number from 0 to 1000000, not 'x'",
                "8:38: each of addresses must be an IP address, not 1: the text ends too early",
                "8:41: each of addresses must be an IP address, not 2: the text ends too early",
            ])
    ]
}
