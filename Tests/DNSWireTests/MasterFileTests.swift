// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

import DNSWire
import Testing

@Suite("Master files")
struct MasterFileTests {
    struct Missing: Error, CustomStringConvertible {
        var description: String { "there is no such file" }
    }

    private func read(
        _ files: [String: String], timeToLive: UInt32? = nil,
        limits: MasterFile.Limits = MasterFile.Limits()
    ) throws -> MasterFile {
        try MasterFile(
            reading: "zones/x.zone", origin: name("example.com"), timeToLive: timeToLive,
            limits: limits
        ) { path in
            guard let text = files[path] else { throw Missing() }
            return Array(text.utf8)
        }
    }

    private func lines(_ text: String, timeToLive: UInt32? = 300) throws -> [String] {
        try self.lines(["zones/x.zone": text], timeToLive: timeToLive)
    }

    private func lines(_ files: [String: String], timeToLive: UInt32? = 300) throws -> [String] {
        try self.read(files, timeToLive: timeToLive).entries.map { entry in
            let record = entry.record
            return "\(record.owner) \(record.timeToLive) \(record.data.type) \(record.data)"
        }
    }

    private func complaint(_ files: [String: String], timeToLive: UInt32? = nil) -> String {
        do {
            return "\(try self.lines(files, timeToLive: timeToLive))"
        } catch {
            return "\(error)"
        }
    }

    @Test("hold what RFC 1035 §5.3 has in its example")
    func example() throws {
        let text = """
            @   IN  SOA     VENERA      Action\\.domains (
                                             20     ; SERIAL
                                             7200   ; REFRESH
                                             600    ; RETRY
                                             3600000; EXPIRE
                                             60)    ; MINIMUM

                    NS      A.ISI.EDU.
                    NS      VENERA
                    NS      VAXA
                    MX      10      VENERA
                    MX      20      VAXA

            A       A       26.3.0.103

            VENERA  A       10.1.0.52
                    A       128.9.0.32

            VAXA    A       10.2.0.27
                    A       128.9.0.33


            $INCLUDE ISI-MAILBOXES.TXT
            """
        let mailboxes = """
            MOE     MB      A.ISI.EDU.
            LARRY   MB      A.ISI.EDU.
            STOOGES MG      MOE
                    MG      LARRY
            """
        let lines = try self.lines(
            ["zones/x.zone": text, "zones/ISI-MAILBOXES.TXT": mailboxes], timeToLive: nil)
        #expect(
            lines == [
                "example.com. 60 SOA VENERA.example.com. Action\\.domains.example.com. 20 7200 600 "
                    + "3600000 60",
                "example.com. 60 NS A.ISI.EDU.", "example.com. 60 NS VENERA.example.com.",
                "example.com. 60 NS VAXA.example.com.", "example.com. 60 MX 10 VENERA.example.com.",
                "example.com. 60 MX 20 VAXA.example.com.", "A.example.com. 60 A 26.3.0.103",
                "VENERA.example.com. 60 A 10.1.0.52", "VENERA.example.com. 60 A 128.9.0.32",
                "VAXA.example.com. 60 A 10.2.0.27", "VAXA.example.com. 60 A 128.9.0.33",
                "MOE.example.com. 60 MB A.ISI.EDU.", "LARRY.example.com. 60 MB A.ISI.EDU.",
                "STOOGES.example.com. 60 MG MOE.example.com.",
                "STOOGES.example.com. 60 MG LARRY.example.com.",
            ])
    }

    @Test("take TTL, class and type in every order that there is")
    func heads() throws {
        #expect(
            try self.lines(
                """
                a 5 IN A 192.0.2.1
                b IN 6 A 192.0.2.2
                c IN A 192.0.2.3
                d 7 A 192.0.2.4
                e A 192.0.2.5
                in 1h30m in TXT in
                a CLASS1 TYPE16 a
                mx 1W2D MX 1 mx
                $ttl 1d
                f A 192.0.2.6
                \t A 192.0.2.7
                """) == [
                    "a.example.com. 5 A 192.0.2.1", "b.example.com. 6 A 192.0.2.2",
                    "c.example.com. 300 A 192.0.2.3", "d.example.com. 7 A 192.0.2.4",
                    "e.example.com. 300 A 192.0.2.5", "in.example.com. 5400 TXT \"in\"",
                    "a.example.com. 300 TXT \"a\"", "mx.example.com. 777600 MX 1 mx.example.com.",
                    "f.example.com. 86400 A 192.0.2.6", "f.example.com. 86400 A 192.0.2.7",
                ])
    }

    @Test("give a record without a TTL that of the one before, or the SOA's minimum")
    func timesToLive() throws {
        #expect(
            try self.lines(
                "@ SOA a. b. 1 2 3 4 77\n@ NS a.\n@ 5 NS b.\n@ NS c.\n$TTL 9\n@ NS d.\n",
                timeToLive: nil
            ).map { $0.split(separator: " ")[1] } == ["77", "77", "5", "5", "9"])
    }

    @Test("have origins, and names below them")
    func origins() throws {
        #expect(
            try self.lines(
                """
                $ORIGIN sub
                @ A 192.0.2.1
                a A 192.0.2.2
                $ORIGIN example.net.
                a CNAME b.@
                c CNAME @
                $ORIGIN .
                d CNAME e
                """) == [
                    "sub.example.com. 300 A 192.0.2.1", "a.sub.example.com. 300 A 192.0.2.2",
                    "a.example.net. 300 CNAME b.\\@.example.net.",
                    "c.example.net. 300 CNAME example.net.", "d. 300 CNAME e.",
                ])
    }

    @Test("include others, from their own folder and with an origin of their own")
    func includes() throws {
        let files = [
            "zones/x.zone": """
            a A 192.0.2.1
            $INCLUDE "more/one two.zone" sub ; a comment
              A 192.0.2.9
            b A 192.0.2.2
            """,
            "zones/more/one two.zone": """
            c A 192.0.2.3
            $ORIGIN deeper
            $INCLUDE two.zone
            e A 192.0.2.5
            """,
            "zones/more/two.zone": "$TTL 11\nd A 192.0.2.4\n",
        ]
        #expect(
            try self.lines(files) == [
                "a.example.com. 300 A 192.0.2.1", "c.sub.example.com. 300 A 192.0.2.3",
                "d.deeper.sub.example.com. 11 A 192.0.2.4",
                "e.deeper.sub.example.com. 11 A 192.0.2.5", "a.example.com. 11 A 192.0.2.9",
                "b.example.com. 11 A 192.0.2.2",
            ])
        let file = try self.read(files, timeToLive: 1)
        #expect(file.files == ["zones/x.zone", "zones/more/one two.zone", "zones/more/two.zone"])
        #expect(file.entries[2].place == MasterFile.Place(file: 2, line: 2, column: 1))
        #expect(file.entries[4].place == MasterFile.Place(file: 0, line: 3, column: 3))
    }

    @Test("have comments, parentheses, quotes and escapes wherever they may stand")
    func words() throws {
        let text = ##"""
            ; nothing

                ; nothing
            a TXT ( "a;b" ; c "d
             e
            ) f
            b\.c TXT x\;y \"z
            d TXT "(" ")" a"b" \# "\#"
            (e A 192.0.2.1)
            f TXT ü \195\188 ""
            """##
        let expected = ##"""
            a.example.com. 300 TXT "a;b" "e" "f"
            b\.c.example.com. 300 TXT "x;y" "\"z"
            d.example.com. 300 TXT "(" ")" "a" "b" "#" "#"
            e.example.com. 300 A 192.0.2.1
            f.example.com. 300 TXT "\195\188" "\195\188" ""
            """##
        #expect(try self.lines(text).joined(separator: "\n") == expected)
        let windows = "\u{feff}" + text.split(separator: "\n").joined(separator: "\t \r\n")
        #expect(try self.lines(windows).joined(separator: "\n") == expected)
    }

    @Test("are read to the end though a line is wrong, and every mistake has its place")
    func mistakes() {
        #expect(
            self.complaint([
                "zones/x.zone": """
                 A 192.0.2.1
                a A 192.0.2.1
                $TTL 5
                a A 192.0.2
                b 5 5 A 192.0.2.1
                c CH A 192.0.2.1
                d 99999999999 A 192.0.2.1
                e MX 10
                f
                g BOGUS x
                $GENERATE 1-5 a A 192.0.2.1
                $FOO
                $ORIGIN
                $TTL x
                h..i A 192.0.2.1
                j RRSIG A 8 2 300 2 1 1 example.com. AAAA
                k OPT \\# 0
                l TXT "open
                m TXT ( a "open
                  b )
                n A (
                """
            ]) == """
                zones/x.zone:1:2: a record that begins with a blank has the owner of the one before, and there is none
                zones/x.zone:2:1: the record has no TTL, and there is no $TTL before it
                zones/x.zone:4:5: here must be an address, not '192.0.2': the text ends too early
                zones/x.zone:5:5: the record has a TTL already
                zones/x.zone:6:3: 'CH': records are of the class IN
                zones/x.zone:7:3: a TTL is at most 2147483647 seconds, not '99999999999'
                zones/x.zone:8:8: MX's mail server is missing
                zones/x.zone:9:1: the record has no type
                zones/x.zone:10:3: 'BOGUS' is no type of record; those without a mnemonic are written as TYPE123
                zones/x.zone:11:1: $GENERATE is BIND's alone: write the records out, as named-compilezone does
                zones/x.zone:12:1: '$FOO' is none of the directives $ORIGIN, $TTL and $INCLUDE
                zones/x.zone:13:1: $ORIGIN has one domain name behind it
                zones/x.zone:14:1: $TTL has one TTL, at most 2147483647 seconds, or as 1h30m, behind it
                zones/x.zone:15:1: a record's owner must be a domain name, not 'h..i': a name has no empty label
                zones/x.zone:16:3: RRSIG records belong to signed zones, and zones are served unsigned: leave them out
                zones/x.zone:17:3: OPT is a type of messages, and no zone has such records
                zones/x.zone:18:7: the quoted text that begins here doesn't end in its line
                zones/x.zone:19:11: the quoted text that begins here doesn't end in its line
                zones/x.zone:21:5: the parenthesis that opens here is never closed
                """)
    }

    @Test("complain of twenty mistakes, and count the others")
    func many() throws {
        let text = String(repeating: "a A x\n", count: 50)
        #expect(throws: MasterFileError.self) { try self.lines(text) }
        let said = self.complaint(["zones/x.zone": text]).split(separator: "\n")
        #expect(said.count == 21)
        #expect(said.last == "and 30 more")
    }

    @Test("that can't be had, include themselves, or are too many or too large")
    func limits() throws {
        #expect(self.complaint([:]) == "zones/x.zone: there is no such file")
        #expect(
            self.complaint(["zones/x.zone": "\n $INCLUDE y\n$INCLUDE y\n$INCLUDE\n$INCLUDE a b c\n"]
            )
                == """
                zones/x.zone:2:2: a record that begins with a blank has the owner of the one before, and there is none
                zones/x.zone:3:1: zones/y: there is no such file
                zones/x.zone:4:1: $INCLUDE has a file's path, and perhaps an origin, behind it
                zones/x.zone:5:1: $INCLUDE has a file's path, and perhaps an origin, behind it
                """)
        #expect(
            self.complaint(["zones/x.zone": "$INCLUDE y\n", "zones/y": "\n$INCLUDE x.zone"])
                == "zones/y:2:1: zones/x.zone includes itself")
        var chain: [String: String] = ["zones/x.zone": "$INCLUDE 1"]
        for number in 1...20 { chain["zones/\(number)"] = "$INCLUDE \(number + 1)" }
        #expect(
            self.complaint(chain) == "zones/9:1:1: files include one another 10 deep at the most")
        let wide = [
            "zones/x.zone": String(repeating: "$INCLUDE y\n", count: 5), "zones/y": "; 10 bytes",
        ]
        #expect(throws: Never.self) {
            _ = try self.read(wide, limits: MasterFile.Limits(bytes: 105, files: 6))
        }
        #expect(throws: MasterFileError.self) {
            _ = try self.read(wide, limits: MasterFile.Limits(bytes: 104, files: 6))
        }
        #expect(throws: MasterFileError.self) {
            _ = try self.read(wide, limits: MasterFile.Limits(bytes: 105, files: 5))
        }
    }

    @Test("cut anywhere are read or refused, and nothing else")
    func truncations() {
        let text = """
            $TTL 1h
            @ IN SOA ns1 host\\.master ( 1 2 3 4 5 ) ; end
            a 5 TXT "quoted \\" text" \\065 ( b
              c ) ; d
            s SVCB 1 . alpn="h2,h3" port=53
            l LOC 1 2 3.5 N 4 5 6 W 7m 8m
            """
        for count in 0...text.utf8.count {
            let cut = String(decoding: text.utf8.prefix(count), as: UTF8.self)
            _ = self.complaint(["zones/x.zone": cut], timeToLive: 5)
        }
    }
}
