// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import Addressing
import RouteFiles
import Testing

/// A file's paths, a line each, and its bad lines.
struct ReadTextDump {
    var routes: [TextDumpRoute] = []
    var bad: BadLines

    init(_ text: String) throws { try self.init(bytes: Array(text.utf8)) }

    init(bytes: [UInt8]) throws {
        var reader = TextDumpReader(try ByteSource(bytes: bytes, path: "table"))
        while let route = try reader.next() { self.routes.append(route) }
        self.bad = reader.bad
    }

    /// `line prefix codes nexthop metric localpref weight path origin`, `-` for none.
    var lines: [String] {
        self.routes.map { route in
            var codes = ""
            for (flag, letter) in [
                (TextDumpRoute.Status.valid, "*"), (.best, ">"), (.isInternal, "i"),
                (.suppressed, "s"), (.damped, "d"), (.history, "h"), (.stale, "S"),
                (.removed, "R"), (.ribFailure, "r"),
            ] where route.status.contains(flag) {
                codes += letter
            }
            func text<T>(_ value: T?) -> String { value.map { "\($0)" } ?? "-" }
            let origin =
                switch route.origin {
                case .igp: "i"
                case .egp: "e"
                case .incomplete: "?"
                }
            return [
                "\(route.line)", "\(route.prefix)", codes.isEmpty ? "-" : codes,
                text(route.nextHop), text(route.metric), text(route.localPreference),
                "\(route.weight)", route.asPath.isEmpty ? "-" : "[\(route.asPath)]", origin,
            ].joined(separator: " ")
        }
    }
}

@Suite("Text dumps of routers")
struct TextDumpTests {
    @Test("are read as FRR 8.4.4 prints them, IPv4 and IPv6 in one file")
    func frr() throws {
        // Printed by `vtysh -c 'show ip bgp' -c 'show bgp ipv6'` of FRR 8.4.4.
        let dump = try ReadTextDump(
            """
            BGP table version is 6, local router ID is 192.0.2.1, vrf id 0
            Default local pref 100, local AS 65000
            Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
                           i internal, r RIB-failure, S Stale, R Removed
            Nexthop codes: @NNN nexthop's vrf id, < announce-nh-self
            Origin codes:  i - IGP, e - EGP, ? - incomplete
            RPKI validation codes: V valid, I invalid, N Not found

               Network          Next Hop            Metric LocPrf Weight Path
            *> 0.0.0.0/0        0.0.0.0                  0         32768 i
            *> 10.0.0.0/8       0.0.0.0                  0         32768 i
            *> 192.168.100.128/25
                                0.0.0.0                  0         32768 i
            *> 203.0.113.7/32   0.0.0.0                  0         32768 i

            Displayed  4 routes and 4 total paths
            BGP table version is 3, local router ID is 192.0.2.1, vrf id 0
            Default local pref 100, local AS 65000
            Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
                           i internal, r RIB-failure, S Stale, R Removed
            Nexthop codes: @NNN nexthop's vrf id, < announce-nh-self
            Origin codes:  i - IGP, e - EGP, ? - incomplete
            RPKI validation codes: V valid, I invalid, N Not found

               Network          Next Hop            Metric LocPrf Weight Path
            *> ::/0             ::                       0         32768 i
            *> 2001:db8::/32    ::                       0         32768 i
            *> 2001:db8:aaaa:bbbb:cccc::/80
                                ::                       0         32768 i

            Displayed  3 routes and 3 total paths
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "10 0.0.0.0/0 *> 0.0.0.0 0 - 32768 - i",
                "11 10.0.0.0/8 *> 0.0.0.0 0 - 32768 - i",
                "12 192.168.100.128/25 *> 0.0.0.0 0 - 32768 - i",
                "14 203.0.113.7/32 *> 0.0.0.0 0 - 32768 - i",
                "26 ::/0 *> :: 0 - 32768 - i",
                "27 2001:db8::/32 *> :: 0 - 32768 - i",
                "28 2001:db8:aaaa:bbbb:cccc::/80 *> :: 0 - 32768 - i",
            ])
    }

    @Test("are read as Zebra and Quagga print them: classful networks, blank columns, other paths")
    func quagga() throws {
        // In the form that bgpd/bgp_route.c of Quagga 1.2 prints.
        let dump = try ReadTextDump(
            """
            BGP table version is 0, local router ID is 198.51.100.1
            Status codes: s suppressed, d damped, h history, * valid, > best, = multipath,
                          i internal, r RIB-failure, S Stale, R Removed
            Origin codes: i - IGP, e - EGP, ? - incomplete

               Network          Next Hop            Metric LocPrf Weight Path
            *  0.0.0.0          198.51.100.2                           0 64500 64501 i
            *>                  198.51.100.3            10             0 64502 i
            *>i3.0.0.0          198.51.100.4             0    100      0 64503 {64504,64505} ?
            h  128.1.0.0        198.51.100.5                           0 64506 e
            *d 192.0.2.0        198.51.100.6    4294967295             0 64507 i
            s> 198.18.0.0/15    198.51.100.7           165    200     10 64508 64508 64508 i
            r>i203.0.113.128/26 198.51.100.8             0 4294967295      0 (65001 65002) 1.10 i
            S                   198.51.100.9                           0 64509 i
                                198.51.100.10                          0 64510 i
            *=                  255.255.255.255 4294967295             0 [65003,65004] 64511 i

            Total number of prefixes 7
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "7 0.0.0.0/0 * 198.51.100.2 - - 0 [64500 64501] i",
                "8 0.0.0.0/0 *> 198.51.100.3 10 - 0 [64502] i",
                "9 3.0.0.0/8 *>i 198.51.100.4 0 100 0 [64503 {64504,64505}] ?",
                "10 128.1.0.0/16 h 198.51.100.5 - - 0 [64506] e",
                "11 192.0.2.0/24 *d 198.51.100.6 4294967295 - 0 [64507] i",
                "12 198.18.0.0/15 >s 198.51.100.7 165 200 10 [64508 64508 64508] i",
                "13 203.0.113.128/26 >ir 198.51.100.8 0 4294967295 0 [(65001 65002) 65546] i",
                "14 203.0.113.128/26 S 198.51.100.9 - - 0 [64509] i",
                "15 203.0.113.128/26 - 198.51.100.10 - - 0 [64510] i",
                "16 203.0.113.128/26 * 255.255.255.255 4294967295 - 0 [[65003,65004] 64511] i",
            ])
        #expect(
            dump.routes.map(\.isUsable) == [
                true, true, true, false, false, true, true, true, false, true,
            ])
        #expect(dump.routes[2].asPath.length == 2)
        #expect(dump.routes[6].asPath.length == 1)
    }

    @Test("are read as Cisco IOS prints them: wider codes, wrapped networks, a prompt at the end")
    func ios() throws {
        // In the form that IOS 15 and IOS XE print, whose paths stand a column beside the heading.
        let dump = try ReadTextDump(
            """
            router>show ip bgp
            BGP table version is 17, local router ID is 192.0.2.1
            Status codes: s suppressed, d damped, h history, * valid, > best, i - internal,
                          r RIB-failure, S Stale, m multipath, b backup-path, f RT-Filter,
                          x best-external, a additional-path, c RIB-compressed,
                          t secondary path, L long-lived-stale,
            Origin codes: i - IGP, e - EGP, ? - incomplete
            RPKI validation codes: V valid, I invalid, N Not found

                 Network          Next Hop            Metric LocPrf Weight Path
             *>   10.1.0.0/16      0.0.0.0                  0         32768 i
            V*>i  10.11.0.0/16     192.0.2.9                0    100      0 64500 i
            N* i                   192.0.2.8                0    100      0 64501 i
            I*    203.0.113.0      198.51.100.202     1762560    350      0 65000 ?
             r>   209.65.200.224/30
                                   198.51.100.226           0             0 65002 ?
             *b a 10.69.9.9/32     192.0.2.120              0             0 5918 ?
            router>exit
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "11 10.1.0.0/16 *> 0.0.0.0 0 - 32768 - i",
                "12 10.11.0.0/16 *>i 192.0.2.9 0 100 0 [64500] i",
                "13 10.11.0.0/16 *i 192.0.2.8 0 100 0 [64501] i",
                "14 203.0.113.0/24 * 198.51.100.202 1762560 350 0 [65000] ?",
                "15 209.65.200.224/30 >r 198.51.100.226 0 - 0 [65002] ?",
                "17 10.69.9.9/32 * 192.0.2.120 0 - 0 [5918] ?",
            ])
        #expect(dump.routes.map(\.validation) == [nil, .valid, .notFound, .invalid, nil, nil])
    }

    @Test("hold IPv6 routes that are wrapped after the network, the next hop, or both")
    func wrappedIPv6() throws {
        let dump = try ReadTextDump(
            """
               Network          Next Hop            Metric LocPrf Weight Path
            *> fd00::/8         2001:db8::1              5             0 64500 i
            *> 2001:db8::/32    2001:db8:ffff:ffff::1
                                                                       0 64501 i
            *>i2001:DB8:A000:B000::/64
                                2001:DB8:1:1::CA28:A193
                                                         0    100      0 64502 64503 i
            *                   fe80::1                                0 64504 i
                                ::ffff:192.0.2.1                       0 64505 i
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "2 fd00::/8 *> 2001:db8::1 5 - 0 [64500] i",
                "3 2001:db8::/32 *> 2001:db8:ffff:ffff::1 - - 0 [64501] i",
                "5 2001:db8:a000:b000::/64 *>i 2001:db8:1:1::ca28:a193 0 100 0 [64502 64503] i",
                "8 2001:db8:a000:b000::/64 * fe80::1 - - 0 [64504] i",
                "9 2001:db8:a000:b000::/64 - ::ffff:192.0.2.1 - - 0 [64505] i",
            ])
    }

    @Test("hold what FRR prints besides: wide columns, codes of RPKI, names and VRFs of next hops")
    func frrForms() throws {
        let dump = try ReadTextDump(
            """
               Network                                      Next Hop                                  Metric LocPrf Weight Path
            *> 192.168.100.128/25                           0.0.0.0                                        0         32768 i
            V*>i2001:db8::/32                               2001:db8:ffff:ffff:ffff:ffff:ffff:1            0    100      0 64500 i

            Displayed  2 routes and 2 total paths
               Network          Next Hop            Metric LocPrf Weight Path
            N*> 10.0.0.0/8       192.0.2.1@3<             0             0 64500 i
             *=                  swp2                                   0 64501 i
             *>                  0.0.0.0(leaf01)          0         32768 ?
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "2 192.168.100.128/25 *> 0.0.0.0 0 - 32768 - i",
                "3 2001:db8::/32 *>i 2001:db8:ffff:ffff:ffff:ffff:ffff:1 0 100 0 [64500] i",
                "7 10.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i",
                "8 10.0.0.0/8 * - - - 0 [64501] i",
                "9 10.0.0.0/8 *> 0.0.0.0 0 - 32768 - ?",
            ])
    }

    @Test("may have been captured from a terminal: pagers, CRs, tabs, colours, broken paths")
    func terminal() throws {
        let pager = " --More-- " + String(repeating: "\u{8}", count: 10)
        let dump = try ReadTextDump(
            """
            % show ip bgp
               Network          Next Hop            Metric LocPrf Weight Path\r
            *> 10.0.0.0/8       192.0.2.1                0             0 64500 i\r
            \(pager)          \(pager.drop { $0 != "\u{8}" })*> 11.0.0.0/8       192.0.2.1                0             0 64501 i\r
             --More-- \r          \r*> 12.0.0.0/8       192.0.2.1                0             0 64502 i\r
            \u{1b}[1m*> 13.0.0.0/8\t    192.0.2.1                0             0 64503 i\u{1b}[0m
            *> 14.0.0.0/8       192.0.2.1                0             0 64504 64505
            64506 i
            *> 15.0.0.0/8       192.0.2.1                0             0 64504 64505
                                                                         {64506} 64507
                                                                         i

            admin@router:~$ exit
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(
            dump.lines == [
                "3 10.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i",
                "4 11.0.0.0/8 *> 192.0.2.1 0 - 0 [64501] i",
                "5 12.0.0.0/8 *> 192.0.2.1 0 - 0 [64502] i",
                "6 13.0.0.0/8 *> 192.0.2.1 0 - 0 [64503] i",
                "7 14.0.0.0/8 *> 192.0.2.1 0 - 0 [64504 64505 64506] i",
                "9 15.0.0.0/8 *> 192.0.2.1 0 - 0 [64504 64505 {64506} 64507] i",
            ])
    }

    @Test(
        "name bad lines by number, column, reason and text, and read on",
        arguments: [
            (
                "*                   192.0.2.1                0             0 64500 i",
                "2:21: ", "another path, but no network before it"
            ),
            (
                "*> 10.1.0.0         192.0.2.1                0             0 64500 i",
                "2:4: ", "did you mean 10.0.0.0/8?"
            ),
            (
                "*> 224.0.0.0        192.0.2.1                0             0 64500 i",
                "2:13: ", "/length"
            ),
            (
                "*> 10.0.0.0/33      192.0.2.1                0             0 64500 i",
                "2:13: ", "0 to 32"
            ),
            (
                "*> 2001:db8::       192.0.2.1                0             0 64500 i",
                "2:14: ", "/length"
            ),
            (
                "*> 10.0.0.0/8       %                        0             0 64500 i",
                "2:21: ", "no next hop"
            ),
            ("*> 10.0.0.0/8", "2:1: ", "no next hop"),
            ("*> 10.0.0.0/8       192.0.2.1", "2:1: ", "no weight"),
            ("*> 10.0.0.0/8       192.0.2.1                0 64500 i", "2:30: ", "no weight"),
            (
                "*> 10.0.0.0/8       192.0.2.1                x             0 64500 i",
                "2:30: ", "no weight"
            ),
            (
                "*> 10.0.0.0/8       192.0.2.1                0             0 64500",
                "2:1: ", "does not end in i, e or ?"
            ),
            (
                "*> 10.0.0.0/8       192.0.2.1                0             0 64500 {64501 i",
                "2:75: ", "ends too early"
            ),
            (
                "*> 10.0.0.0/8       192.0.2.1                0             0 4294967296 i",
                "2:", "AS number"
            ),
            ("Route Distinguisher: 65000:1", "2:1: ", "neither a path nor the end of the table"),
            ("%BGP-5-ADJCHANGE: neighbor 192.0.2.2 Up", "2:1: ", "neither a path"),
            ("*", "2:1: ", "neither a path"),
        ])
    func badLines(line: String, place: String, reason: String) throws {
        let dump = try ReadTextDump(
            """
               Network          Next Hop            Metric LocPrf Weight Path
            \(line)
            *> 99.0.0.0         192.0.2.1                0             0 64500 i
            """)
        #expect(dump.bad.count == 1)
        let words = "\(dump.bad)"
        #expect(words.hasPrefix("table:\(place)"), "\(words)")
        #expect(words.contains(reason), "\(words)")
        #expect(words.contains("'\(line)'"), "\(words)")
        #expect(dump.lines == ["3 99.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i"])
    }

    @Test(
        "name routes behind a table's end, which no heading stands above",
        arguments: [
            "*> 10.44.0.0/16     192.0.2.1                0             0 64500 i",
            "*> 10.300.0.0/16    192.0.2.1                0             0 64500 i",
            "*  10.44.0.0        192.0.2.1                              0 64500 ?",
            "s> 10.44.0.0/33     192.0.2.1                0             0 64500 i",
            "r>i10.44.0.0/16     192.0.2.1                0    100      0 64500 e",
            "*>i2001:db8::/32    2001:db8::1              0    100      0 64500 i",
            "*>                  192.0.2.1                0             0 64500 i",
            "*> 10.44.0.0/16     swp2                     0             0 64500 i",
            "*> 192.168.100.128/25",
        ],
        [
            "Displayed  1 routes and 1 total paths", "Total number of prefixes 1",
            "router# show clock",
        ])
    func routesBehindEnd(line: String, end: String) throws {
        let dump = try ReadTextDump(
            """
               Network          Next Hop            Metric LocPrf Weight Path
            *> 10.0.0.0/8       192.0.2.1                0             0 64500 i
            \(end)

            \(line)
            router>show ip bgp
               Network          Next Hop            Metric LocPrf Weight Path
            *> 11.0.0.0/8       192.0.2.1                0             0 64500 i
            """)
        #expect(dump.bad.lines.map(\.reason) == [.behindEnd])
        #expect("\(dump.bad)" == "table:5:1: '\(line)': a route behind the table's end")
        #expect(
            dump.lines == [
                "2 10.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i",
                "8 11.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i",
            ])
    }

    @Test("may have anything else behind a table's end: words, prompts, other commands' output")
    func silenceBehindEnd() throws {
        let dump = try ReadTextDump(
            """
            *> 9.0.0.0          192.0.2.1                0             0 64500 i
               Network          Next Hop            Metric LocPrf Weight Path
            *> 10.0.0.0/8       192.0.2.1                0             0 64500 i

            Displayed  1 routes and 1 total paths
            Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
                           i internal, r RIB-failure, S Stale, R Removed
            *Mar  1 00:00:01.003: %SYS-5-CONFIG_I: Configured from console by console
            *Sep  1 00:00:01.003: %BGP-5-ADJCHANGE: neighbor 192.0.2.2 Up
            *12:34:56.789 UTC Mon Mar 1 1993
            *
            *>
            * line vty 0 4
            *~127.127.7.1      .LOCL.            7     44     64   377  0.000   0.000  1.204
            *10.0.0.1          192.0.2.5         2     44     64   377  0.000   0.000  1.204
            router# show ip route
            S   - static, R - RIP, B - BGP, > - selected route, * - FIB route
            S>* 10.0.0.0/8 [1/0] via 192.0.2.1, eth0, weight 1, 00:00:10
            B>* 11.0.0.0/8 [20/0] via 192.0.2.1, eth0, weight 1, 00:00:10
            S   12.0.0.0/8 is directly connected, Null0
            R   13.0.0.0/8 [120/1] via 192.0.2.1, 00:00:10, Serial0/0
                14.0.0.0/8 is variably subnetted, 2 subnets, 2 masks
            192.0.2.2       4      64500     10     10        0    0    0 00:01:00            3
            router# show ip bgp dampened-paths
               Network          From             Reuse    Path
            *d 15.0.0.0/8       192.0.2.1        00:20:20 64500 i
            """)
        #expect(dump.bad.count == 0, "\(dump.bad)")
        #expect(dump.lines == ["3 10.0.0.0/8 *> 192.0.2.1 0 - 0 [64500] i"])
    }

    @Test("without a heading are no tables", arguments: ["", "\n", "10.0.0.0/8 64600\n"])
    func noTable(text: String) throws {
        let dump = try ReadTextDump(text)
        #expect(dump.routes.isEmpty)
        #expect(dump.bad.lines.map(\.reason) == [.noTable])
    }

    @Test("may have lines of any length: one that is too long is a bad one")
    func longLines() throws {
        let heading = "   Network          Next Hop            Metric LocPrf Weight Path\n"
        let start = "*> 10.0.0.0/8       192.0.2.1                0             0 "
        let good = "*> 11.0.0.0/8       192.0.2.1                0             0 64500 i\n"
        for count in [65_400, 65_536 - start.utf8.count - 2, 65_537, 200_000] {
            let numbers = String(String(repeating: "64500 ", count: count / 6 + 1).prefix(count))
            let path = numbers.hasSuffix(" ") ? numbers + "i" : numbers + " i"
            let dump = try ReadTextDump(heading + start + path + "\n" + good)
            let fits = start.utf8.count + path.utf8.count < 65_536
            #expect(dump.bad.lines.map(\.reason) == (fits ? [] : [.lineTooLong(65_536)]))
            #expect(dump.bad.count == 0 || dump.bad.lines.first?.line == 2)
            #expect(dump.routes.map(\.line) == (fits ? [2, 3] : [3]))
        }
    }

    @Test("that end anywhere give the paths before, and nothing that isn't there")
    func everyTruncation() throws {
        let text = """
               Network          Next Hop            Metric LocPrf Weight Path
            *> 10.0.0.0/8       192.0.2.1                0             0 64500 i
            *>i2001:db8:a000:b000::/64
                                2001:db8:1:1::ca28:a193
                                                         0    100      0 64502 64503 i
            *                   fe80::1                                0 64504 {64505,64506} ?

            """
        let bytes = Array(text.utf8)
        let whole = try ReadTextDump(bytes: bytes).routes
        #expect(whole.count == 3)
        for count in 0...bytes.count {
            let dump = try ReadTextDump(bytes: Array(bytes.prefix(count)))
            #expect(dump.routes == Array(whole.prefix(dump.routes.count)), "after \(count) bytes")
            #expect(dump.bad.count <= 1)
        }
    }

    @Test("report how much of the file has been read")
    func progress() throws {
        var text = "   Network          Next Hop            Metric LocPrf Weight Path\n"
        for number in 1..<200 {
            text += "*> \(number).0.0.0/8        192.0.2.1                0             0 64500 i\n"
        }
        let path = try TestData.write(Array(text.utf8), "table.txt")
        var reader = try TextDumpReader(path: path)
        let start = reader.progress
        var last = try #require(start)
        #expect(last >= 0 && last < 1)
        while try reader.next() != nil {
            let progress = reader.progress
            let now = try #require(progress)
            #expect(now >= last && now <= 1)
            last = now
        }
        #expect(last == 1)
    }
}
